"""What the soak harness breaks things with does break them."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.running import wait_until

from soak.alertmanager import GOOD, AlertmanagerStub
from soak.clock import SteppedClock, forget
from soak.daemon import Daemon
from soak.disk import Disk
from soak.redis_pair import RedisPair
from soak.relay import Relay
from soak.secrets import SecretSearch

if TYPE_CHECKING:
    from pathlib import Path


_WRITES = """
import sys
for name in sys.stdin:
    try:
        open(name.strip(), "wb").write(b"x" * 9000)
        print("ok", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


def a_named_server(name: bytes) -> socket.socket:
    """Answers each byte with its name."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client:
            while client.recv(1):
                client.sendall(name)

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server


def asked(client: socket.socket) -> bytes:
    client.sendall(b"?")
    return client.recv(1)


def test_a_switched_relay_leaves_old_connections_with_the_old_target() -> None:
    first, second = a_named_server(b"1"), a_named_server(b"2")
    relay = Relay(first.getsockname()[1])
    with socket.create_connection(("127.0.0.1", relay.port)) as old:
        assert asked(old) == b"1"
        relay.switch(second.getsockname()[1])
        with socket.create_connection(("127.0.0.1", relay.port)) as new:
            assert (asked(old), asked(new)) == (b"1", b"2")
    relay.close()
    for server in (first, second):
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("rootless", [False, True])
def test_a_full_disk_accepts_no_writes_until_it_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, rootless: bool
) -> None:
    if rootless:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    disk = Disk(tmp_path / "disk")
    process = subprocess.Popen([sys.executable, "-c", _WRITES], stdin=-1, stdout=-1, text=True)

    def written(name: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{disk.folder / name}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    assert written("a") == "ok"
    disk.fill([process.pid])
    assert written("b").isdigit()
    disk.free([process.pid])
    assert written("c") == "ok"
    process.communicate()
    disk.close()


@pytest.mark.usefixtures("faketime")
def test_a_clock_step_moves_only_the_wall_clock(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path / "clock")
    # Not time.sleep: libfaketime 0.9.10 lets it fail with EINVAL once the clock has been set.
    script = "import threading, time\nwait = threading.Event().wait\nwhile not wait(0.1):"
    script += " print(time.time(), time.monotonic(), flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, **clock.environment}
    )
    assert process.stdout is not None

    def offset() -> float:
        wall, monotonic = process.stdout.readline().split()  # type: ignore[union-attr]
        assert abs(float(monotonic) - time.monotonic()) < 5
        return round(float(wall) - time.time(), -1)

    try:
        assert offset() == 0
        clock.step(7200)
        wait_until(lambda: offset() == 7200, within=5)
        clock.step(-10_000)
        wait_until(lambda: offset() == -2800, within=5)
    finally:
        process.kill()
        process.communicate()
        forget(process.pid)


def test_a_secret_in_a_log_is_found_wherever_the_pieces_end(tmp_path: Path) -> None:
    found: list[str] = []
    search = SecretSearch()
    search.add("password", "correct-horse-battery")
    daemon = Daemon("a", tmp_path, {}, search, found.append)
    reading, writing = os.pipe()
    reader = threading.Thread(target=daemon._read, args=(reading,))
    reader.start()
    os.write(writing, b"level=info msg=correct-horse-")
    time.sleep(0.2)
    os.write(writing, b"battery\n")
    os.close(writing)
    reader.join(5)
    os.close(reading)
    assert len(found) == 1
    assert "battery" not in found[0]
    assert daemon.written() == (1, 37)


@pytest.mark.usefixtures("redis_server")
def test_redis_can_be_switched_killed_and_frozen(tmp_path: Path) -> None:
    pair = RedisPair(tmp_path, "secret-of-redis")
    try:
        with pair._client(pair.port) as old:
            old.hset("key", "field", "soak-org-0001")
            wait_until(lambda: old.execute_command("WAIT", "1", "100") == 1, within=5)
            pair.fail_over()
            with pytest.raises(Exception, match="read only"):
                old.set("x", "y")
        with pair._client(pair.port) as new:
            new.set("x", "y")
            assert dict(pair.contents()) == {"key": b"field\nsoak-org-0001", "x": b"y"}
            pair.freeze()
            started = time.monotonic()
            with pytest.raises(Exception, match="Timeout"):
                new.get("x")
            assert time.monotonic() - started > 1.5
            pair.thaw()
        pair.kill()
        with pair._client(pair.port) as dead, pytest.raises(Exception, match=r"(?i)connection|reset"):
            dead.ping()
        pair.revive()
        with pair._client(pair.port) as empty:
            assert empty.dbsize() == 0
    finally:
        pair.close()


def test_the_alertmanager_echoes_credentials() -> None:
    stub = AlertmanagerStub()

    def post() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(stub.url.removeprefix("http://"), timeout=3)
        try:
            connection.request("POST", "/api/v2/alerts", b"[]", {"Authorization": "Basic abc"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    assert post() == (200, b"")
    stub.behave("400 echoing")
    status, body = post()
    assert status == 400
    assert "Basic abc" in json.loads(body)["message"]
    stub.behave("away")
    with pytest.raises(ConnectionRefusedError):
        post()
    stub.behave(GOOD)
    assert post() == (200, b"")
    stub.close()


def test_the_soft_limit_of_files_is_restored() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
