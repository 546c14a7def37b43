"""Every answer that a Redis, or something that is none, may give is survived, in bounded time and memory."""

from __future__ import annotations

import gc
import resource
import time
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.redis import Listener, RedisServer
from support.running import PASSWORD, free_port, wait_until

from exporter.cluster.lease import RedisLock
from exporter.cluster.records import Records
from exporter.cluster.redis import RedisCallError, RedisClient
from exporter.common.redaction import Redactor
from exporter.common.secrets import SecretFile
from exporter.config.redis import Redis as RedisSection
from exporter.config.settings import RedisSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEASE = 2.0


def a_link(url: str, password: Path | None = None, redactor: Redactor | None = None, **options: Any) -> RedisClient:
    secret = None if password is None else SecretFile(password)
    return RedisClient(RedisSettings(RedisSection(url=url, **options), secret), redactor or Redactor())


def always(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(client: socket.socket) -> None:
        while client.recv(65536):
            client.sendall(answer)

    return serve


def endless(client: socket.socket) -> None:
    while True:
        client.sendall(b"x" * 65536)


def trickling(client: socket.socket) -> None:
    while True:
        client.sendall(b"x")
        time.sleep(0.2)


def closing(client: socket.socket) -> None:
    client.recv(1)


NONSENSE: dict[str, Callable[[socket.socket], None]] = {
    "error": always(b"-ERR x\r\n"),
    "integer that is none": always(b":abc\r\n"),
    "length that is none": always(b"$abc\r\n"),
    "huge length": always(b"$999999999999\r\nx\r\n"),
    "negative length": always(b"$-5\r\n"),
    "huge array": always(b"*1000000000\r\n"),
    "nested arrays": always(b"*1\r\n" * 20000),
    "garbage": always(b"\x00\xff\xfegarbage\r\n"),
    "http": always(b"HTTP/1.1 200 OK\r\n\r\n"),
    "double": always(b",abc\r\n"),
    "push": always(b">1\r\n+x\r\n"),
    "map": always(b"%1\r\n*1\r\n+a\r\n+b\r\n"),
    "empty text": always(b"$0\r\n\r\n"),
    "text": always(b"$3\r\nabc\r\n"),
    "ok": always(b"+OK\r\n"),
    "one": always(b":1\r\n"),
    "huge integer": always(b":" + b"9" * 5000 + b"\r\n"),
    "null": always(b"$-1\r\n"),
    "pair": always(b"*2\r\n:1\r\n$3\r\nabc\r\n"),
    "big number": always(b"(" + b"9" * 5000 + b"\r\n"),
    "error in another encoding": always(b"-\xff\xfe\r\n"),
    "moved": always(b"-MOVED x\r\n"),
    "loading": always(b"-LOADING x\r\n"),
    "readonly": always(b"-READONLY x\r\n"),
    "masterdown": always(b"-MASTERDOWN x\r\n"),
    "noscript": always(b"-NOSCRIPT x\r\n"),
    "noreplicas": always(b"-NOREPLICAS x\r\n"),
    "out of memory": always(b"-OOM x\r\n"),
    "endless": endless,
    "trickling": trickling,
    "closing": closing,
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_any_invalid_answer_is_an_error_in_time(kind: str) -> None:
    with Listener(NONSENSE[kind]) as server:
        link = a_link(f"redis://127.0.0.1:{server.port}/0")
        lock, records = RedisLock(link, "leader", LEASE), Records(link, "shard")
        started = time.monotonic()
        with pytest.raises(RedisCallError):
            lock.hold()
        assert time.monotonic() - started < LEASE / 4 + 0.5
        assert not link.up
        if kind not in {"huge length", "huge array", "null", "push", "map", "negative length", "trickling", "endless"}:
            # these wait for more, or read as "there is nothing": the time is in the test above
            with pytest.raises(RedisCallError):
                list(records.changed_since(0))
        link.close()


def test_an_endless_answer_is_cut_off() -> None:
    with Listener(endless) as server:
        link = a_link(f"redis://127.0.0.1:{server.port}/0")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(RedisCallError, match=r"too large|too long"):
            link.call(lambda client: client.get("key"), seconds=5, size=1 << 20)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
        link.close()


@contextmanager
def failing(kind: str) -> Iterator[RedisClient]:
    if kind == "refused":
        yield a_link(f"redis://127.0.0.1:{free_port()}/0")
    else:
        with Listener(NONSENSE[kind]) as server:
            yield a_link(f"redis://127.0.0.1:{server.port}/0")


def fails(link: RedisClient, seconds: float) -> bool:
    try:
        link.call(lambda client: client.get("key"), seconds=seconds)
    except RedisCallError:
        return True
    return False


@pytest.mark.parametrize(
    ("kind", "calls"), [("refused", 2500), ("closing", 1000), ("readonly", 1000), ("garbage", 500), ("trickling", 20)]
)
def test_failing_calls_leave_nothing_behind(kind: str, calls: int) -> None:
    seconds = 0.02 if kind == "trickling" else 2.0
    with failing(kind) as link:
        # Not with pytest.raises, which keeps what it caught.
        assert [fails(link, seconds) for _ in range(20)] == [True] * 20
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            assert all(fails(link, seconds) for _ in range(calls))
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
            gc.enable()
        assert grown < 300_000, f"{grown / calls:.0f} bytes a call"
        assert gc.collect() < 2000
        link.close()


def test_a_new_password_is_read_from_its_file_and_never_shown(redis_server: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    redactor = Redactor()
    with RedisServer(redis_server, tmp_path, free_port(), "--requirepass", PASSWORD).ready() as server:
        link = a_link(server.url, file, redactor)
        assert link.call(lambda client: client.set("key", 1))
        rotated = PASSWORD[::-1]

        def change(client: Any) -> None:
            client.config_set("requirepass", rotated)

        link.call(change)
        link.close()
        with pytest.raises(RedisCallError, match="invalid username-password pair") as caught:
            link.call(lambda client: client.get("key"))
        assert PASSWORD not in str(caught.value)
        assert redactor.clean(f"x {PASSWORD} x") == "x [redacted] x"
        file.write_text(rotated + "\n")
        assert link.call(lambda client: client.get("key")) == b"1"
        link.close()


def test_the_text_of_a_failed_batch_shows_no_users(redis_server: str, tmp_path: Path) -> None:
    with RedisServer(redis_server, tmp_path, free_port()).ready() as server:
        link = a_link(server.url)
        server.do("set", "hash", "text")

        def write(client: Any) -> None:
            pipeline = client.pipeline(transaction=True)
            pipeline.hset("hash", "li.wei@example.com", "value")
            pipeline.execute()

        with pytest.raises(RedisCallError, match="wrong kind of value") as caught:
            link.call(write)
        assert "li.wei" not in str(caught.value)
        link.close()


def test_the_lock_is_taken_renewed_and_left_alone(redis_server: str, tmp_path: Path) -> None:
    with RedisServer(redis_server, tmp_path, free_port()).ready() as server:
        links = a_link(server.url), a_link(server.url)
        one, other = (RedisLock(link, "leader", LEASE) for link in links)
        assert one.hold()
        assert not other.hold()
        server.do("pexpire", "leader", "100")
        # a server whose memory is full renews it anyway, and gives it to no other replica
        server.do("config", "set", "maxmemory", "1")
        assert one.hold()
        assert server.do("pttl", "leader") > 1500  # of 2000 ms
        assert not other.hold()
        server.do("config", "set", "maxmemory", "0")
        # a lock that would last for hours, since the server's clock was set back, or for ever, is taken over
        for remaining in ("pexpire leader 7200000", "persist leader"):
            server.do(*remaining.split())
            assert other.hold()
            other.release()
            assert one.hold()
        other.release()  # not its own
        assert one.hold()
        one.release()
        assert other.hold()
        for link in links:
            link.close()


def test_sentinels_lead_to_the_master_and_to_the_next_one(redis_server: str, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "sentinel"))
    for folder in (first, second, third):
        folder.mkdir()
    ports = [free_port() for _ in range(3)]
    config = third / "sentinel.conf"
    config.write_text(
        f"port {ports[2]}\nbind 127.0.0.1\ndir {third}\nsentinel monitor mymaster 127.0.0.1 {ports[0]} 1\n"
        "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n"
    )
    with (
        RedisServer(redis_server, first, ports[0]).ready() as master,
        RedisServer(redis_server, second, ports[1], "--replicaof", "127.0.0.1", str(ports[0])).ready() as replica,
        Sentinel(redis_server, config, ports[2]).ready(),
    ):
        link = a_link(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{ports[2]}/mymaster/0")
        wait_until(lambda: b"up" in replica.do("info", "replication").get("master_link_status", "").encode())
        lock = RedisLock(link, "leader", LEASE)
        assert lock.hold()
        wait_until(lambda: replica.do("get", "leader"))
        wait_until(lambda: b"slave0" in str(master.do("info", "replication")).encode())
        master.kill()
        wait_until(lambda: succeeds(lock), 20)
        assert replica.do("get", "leader")
        link.close()


def succeeds(lock: RedisLock) -> bool:
    try:
        return lock.hold()
    except RedisCallError:
        return False


class Sentinel(RedisServer):
    """A Sentinel of its own configuration file."""

    def __init__(self, executable: str, config: Path, port: int) -> None:
        self.port = port
        super(RedisServer, self).__init__([executable, str(config), "--sentinel"])
