"""Where the daemon listens: unix sockets, sockets from systemd, and the line that says so at the start."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import bcrypt
import pytest
import yaml
from support.running import PASSWORD, Running, a_simulator, command, free_port, get, wait_until, write_config

from exporter.web.activation import ActivationError, passed_sockets
from exporter.web.listen import ListenError, listen, open_listeners, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"A": []}) as simulator:
        yield simulator


def serve(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), *arguments]


def ask(path: Path, target: str = "/-/healthy", *, headers: str = "") -> bytes:
    """The answer over a unix socket; empty if no process listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError:
            return b""
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


# Unix sockets


def test_a_unix_socket_of_the_daemon_is_for_owner_and_group_and_gone_after_it(
    platform: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    before = os.umask(0)
    try:
        daemon = Running(serve(write_config(tmp_path, platform, "A"), "--web.listen-address", f"unix:{path}"))
    finally:
        os.umask(before)
    with daemon:
        wait_until(lambda: ask(path).startswith(b"HTTP/1.1 200"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert b"yunxiao_users" in ask(path, "/metrics")
        assert f'addresses="unix:{path}"' in daemon.output or f"addresses=unix:{path}" in daemon.output
        assert "warning=" not in daemon.output
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    assert not path.exists()


def test_the_file_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    (opened,) = listen(parse_address(f"unix:{path}"))
    with opened, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
    assert not path.exists()


@pytest.mark.parametrize("backlog", [8, 0])
def test_the_file_of_a_live_process_is_left_alone(tmp_path: Path, backlog: int) -> None:
    path = tmp_path / "web.sock"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as alive,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting,
    ):
        alive.bind(str(path))
        alive.listen(backlog)
        # With a backlog of 0 this fills the queue.
        waiting.connect(str(path))
        with pytest.raises(ListenError, match="another process listens there; stop it or choose another path"):
            listen(parse_address(f"unix:{path}"))
        assert path.exists()


def test_other_files_are_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("important")
    with pytest.raises(ListenError, match="the file is not a socket; remove it or choose another path"):
        listen(parse_address(f"unix:{path}"))
    assert path.read_text() == "important"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ListenError, match="the file is not a socket"):
        listen(parse_address(f"unix:{link}"))


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="No such file or directory; check that the folder exists and that uid"):
        listen(parse_address(f"unix:{tmp_path}/missing/web.sock"))


def test_closing_leaves_the_file_of_a_successor(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    (first,) = listen(parse_address(f"unix:{path}"))
    path.unlink()
    (second,) = listen(parse_address(f"unix:{path}"))
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_addresses_that_are_open_are_closed_if_another_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.create_server(("127.0.0.1", 0)) as used:
        texts = [f"unix:{path}", f"127.0.0.1:{used.getsockname()[1]}"]
        with pytest.raises(ListenError, match="the port is in use"):
            open_listeners(texts, {}, explicit=True)
    assert not path.exists()


def test_two_daemons_do_not_share_a_file(platform: Simulator, tmp_path: Path) -> None:
    path, config = tmp_path / "web.sock", write_config(tmp_path, platform, "A")
    with Running(serve(config, "--web.listen-address", f"unix:{path}")):
        wait_until(lambda: ask(path))
        second = command("serve", "--config.file", str(config), "--web.listen-address", f"unix:{path}")
        assert second.returncode == 1
        assert f"cannot listen on unix:{path}: another process listens there" in second.stderr
        assert ask(path).startswith(b"HTTP/1.1 200")


# Sockets from systemd


def test_descriptors_that_are_no_listening_stream_sockets_are_refused(tmp_path: Path) -> None:
    def refusal(number: int) -> str:
        with pytest.raises(ActivationError) as caught:
            passed_sockets(range(number, number + 1))
        return str(caught.value)

    with (tmp_path / "file").open("w") as file:
        assert "is not a socket: Socket operation on non-socket; set ListenStream=" in refusal(os.dup(file.fileno()))
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as idle:
            assert "is not a listening stream socket; set ListenStream= and Accept=no" in refusal(idle.detach())
    assert "is not a socket: Bad file descriptor" in refusal(999_999)


def test_sockets_from_systemd_take_the_place_of_the_default_address(
    systemd_socket_activate: str, platform: Simulator, tmp_path: Path
) -> None:
    port, path = free_port(), tmp_path / "web.sock"
    activate = [systemd_socket_activate, "-l", f"127.0.0.1:{port}", "-l", str(path), "--setenv=PYTHONPATH"]
    with Running([*activate, *serve(write_config(tmp_path, platform, "A"), "--web.systemd-socket")]) as daemon:
        wait_until(lambda: "Listening" in daemon.output)
        # The first connection starts the daemon.
        assert ask(path).startswith(b"HTTP/1.1 200")
        assert get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
        assert "10097" not in daemon.output
        assert f"http://127.0.0.1:{port} unix:{path}" in daemon.output
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        # The file belongs to systemd, which uses it for the next start.
        assert path.exists()


def test_without_sockets_from_systemd_the_flag_refuses_the_start(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "A")
    result = command("serve", "--config.file", str(config), "--web.systemd-socket")
    assert result.returncode == 1
    assert "systemd has passed on no sockets; start the socket unit, or remove --web.systemd-socket" in result.stderr


# The line at the start


def listening_line(daemon: Running) -> str:
    return str(wait_until(lambda: next((one for one in daemon.output.splitlines() if "msg=listening" in one), None)))


def test_all_interfaces_without_authentication_are_a_warning(platform: Simulator, tmp_path: Path) -> None:
    config, port = write_config(tmp_path, platform, "A"), free_port()
    with Running(serve(config, "--web.listen-address", f":{port}")) as daemon:
        line = listening_line(daemon)
        assert f"addresses=http://[::]:{port} web_config=none authentication=none" in line
        assert "level=warn " in line
        assert "anyone who can reach this machine can read names and expiry of all tokens" in line
    web = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web.write_text(yaml.safe_dump({"basic_auth_users": {"prom": hashed}}))
    with Running(serve(config, "--web.listen-address", f":{port}", "--web.config.file", str(web))) as daemon:
        line = listening_line(daemon)
        assert "level=info" in line
        assert f'web_config={web} authentication="basic auth"' in line
        assert "warning" not in line


def test_open_health_and_security_headers(platform: Simulator, tmp_path: Path) -> None:
    config, port = write_config(tmp_path, platform, "A"), free_port()
    web = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    headers = {"Strict-Transport-Security": "max-age=9"}
    web.write_text(yaml.safe_dump({"basic_auth_users": {"prom": hashed}, "http_server_config": {"headers": headers}}))
    arguments = ["--web.listen-address", f"127.0.0.1:{port}", "--web.config.file", str(web), "--web.open-health"]
    with Running(serve(config, *arguments)) as daemon:
        listening_line(daemon)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: get(f"{url}/-/ready").status_code == 200)
        assert get(f"{url}/-/ready").text == "OK\n"
        for path in ("/", "/metrics", "/api/v1/tokens", "/nothing"):
            assert get(url + path).status_code == 401
        credentials = ("prom", PASSWORD)
        assert "is ready" in get(f"{url}/-/ready", auth=credentials).text
        statuses = {}
        for path in ("/", "/metrics", "/api/v1/tokens", "/api/v1/events", "/-/healthy", "/-/reload", "/nothing"):
            answer = get(url + path, auth=credentials)
            statuses[path] = answer.status_code
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "deny"
            assert answer.headers["Strict-Transport-Security"] == "max-age=9"
        assert statuses["/"] == statuses["/metrics"] == 200
        assert (statuses["/-/reload"], statuses["/nothing"]) == (405, 404)


def test_an_answer_to_no_request_has_the_headers_too(platform: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with Running(serve(write_config(tmp_path, platform, "A"), "--web.listen-address", f"unix:{path}")):
        wait_until(lambda: ask(path))
        answer = ask(path, headers="broken\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"x-content-type-options: nosniff" in answer


# What a start does before it listens

_PRINTS_THE_ORDER = """
import gc
import exporter.web.listen as listen
from exporter.cli import main

def frozen(freeze=gc.freeze):
    print("frozen")
    freeze()

def refused(*_, **__):
    print("listens")
    raise listen.ListenError("not in this test")

gc.freeze, listen.open_listeners = frozen, refused
main()
"""


def test_the_configuration_is_scanned_before_a_connection_can_wait_for_it(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform.url, ["A"])
    arguments = [sys.executable, "-c", _PRINTS_THE_ORDER, "serve", "--config.file", str(config)]
    result = subprocess.run(arguments, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert result.returncode != 0
    assert result.stdout.splitlines() == ["frozen", "listens"]
