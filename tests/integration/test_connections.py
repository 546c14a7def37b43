"""What happens to connections, descriptors and memory: reuse, silence, resets, outages and reloads."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests
import trustme
from support.builders import Counts, a_watchdog
from support.running import ADMIN_TOKEN, Exporter, a_record, a_simulator, free_port, keep, wait_until, write_config
from support.scripted import Request, ScriptedServer, ShiftedClock, answer

from exporter.common.cancellation import Stop, StoppedError
from exporter.common.live_tls import LiveTls, TlsFiles
from exporter.common.redaction import Redactor
from exporter.common.secrets import Secret, SecretValue
from exporter.http.session import GuardedSession
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.limits import RequestLimits
from exporter.platform.pacing import Pacer
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.platform.yunxiao.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.http.deadline import Watchdog


class NoWait(Stop):
    """A stop whose waits take no time."""

    def wait(self, seconds: float | None) -> bool:  # noqa: ARG002 - as in Stop
        return self.is_set()


class Bench:
    """A client with what is around it; its clock can be set forward."""

    def __init__(self, endpoint: str, **changes: Any) -> None:
        self.clock = ShiftedClock()
        self.watchdog = a_watchdog(self.clock)
        self.watchdog.start()
        self.counts = Counts()
        redactor = Redactor()
        redactor.add(ADMIN_TOKEN)
        options: dict[str, Any] = {"timeout": 1.0, "concurrency": 8, "max_retry_after": 1.0} | changes
        self.target = Target(endpoint, ZoneInfo("UTC"), **options)
        self.client = YunxiaoClient(
            self.target,
            SecretValue(Secret(ADMIN_TOKEN)),
            RequestLimits(Pacer(None, self.clock), self.target.concurrency),
            self.counts,
            self.watchdog,
            self.clock,
            redact=redactor.clean,
        )

    def ask(self, user_id: str = "u1", stop: Stop | None = None) -> Any:
        return self.client.list_tokens(user_id, stop or NoWait()).tokens

    def fails(self) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.ask()
        keep("error", str(caught.value).encode())
        return caught.value


@contextmanager
def a_bench(endpoint: str, **changes: Any) -> Iterator[Bench]:
    bench = Bench(endpoint, **changes)
    try:
        yield bench
    finally:
        bench.client.close()
        bench.watchdog.stop()


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def descriptors(pid: int | str = "self") -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Memory


@pytest.mark.parametrize(
    "fault", ["good", "refused", "reset", "500", "truncated", "html", "401", "hang", "tls", "redirect:/x", "no host"]
)
def test_calls_leave_no_garbage(fault: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with a_simulator({"u1": [a_record()]}, tls=context if fault == "tls" else None) as platform:
        endpoint = {"refused": f"http://127.0.0.1:{free_port()}", "no host": "http://.example"}.get(fault, platform.url)
        if fault not in {"good", "refused", "tls", "no host"}:
            platform.faults.for_user("u1", Fault.parse(fault))
        with a_bench(endpoint, timeout=0.02 if fault == "hang" else 5.0) as bench:

            def call() -> None:
                with contextlib.suppress(ApiError):
                    bench.ask()

            call()  # what is made once does not count
            with no_collector():
                for _ in range(100):
                    call()
                assert gc.collect() < 100
            # All of them failed in the way that was meant.
            assert len(bench.counts.of("error")) >= (0 if fault == "good" else 101)


def test_memory_does_not_grow_while_the_platform_is_down() -> None:
    with a_bench(f"http://127.0.0.1:{free_port()}") as bench:

        def calls(count: int) -> None:
            for _ in range(count):
                with contextlib.suppress(ApiError):
                    bench.ask()
            bench.counts.seen.clear()

        calls(50)
        with no_collector():
            before = resident()
            calls(700)  # 2,100 requests; each left 14 kB when exceptions were kept: 29 MB
            assert resident() - before < 4_000_000


# Reuse


def test_a_request_without_an_answer_on_a_used_connection_is_sent_once_more() -> None:
    def script(request: Request) -> bytes | None:
        if request.connection == 1 and request.number > 1:
            request.ended.wait(10)  # a NAT has forgotten the connection
        return answer()

    with ScriptedServer(script) as server, a_bench(server.url, timeout=1.2) as bench:
        assert bench.ask() == ()
        bench.clock.shift += 3
        started = time.monotonic()
        assert bench.ask() == ()
        # half of the time limit, and the answer
        assert 0.6 <= time.monotonic() - started < 1.2
        assert server.seen == [(1, 1), (1, 2), (2, 1)]
        assert bench.counts.seen == [
            ("request", "list_tokens", "200"),
            ("retry",),
            ("request", "list_tokens", "200"),
        ]
        # From here on a connection that was idle for more than 3 / 2 s is not used again.
        bench.clock.shift += 1.4
        bench.ask()
        bench.clock.shift += 1.6
        bench.ask()
        assert server.seen[3:] == [(2, 2), (3, 1)]


def test_a_request_on_a_connection_that_the_server_closes_is_sent_once_more() -> None:
    def script(request: Request) -> bytes | None:
        return answer() if request.number == 1 else None

    with ScriptedServer(script) as server, a_bench(server.url) as bench:
        for _ in range(3):
            assert bench.ask() == ()
        assert server.seen == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]
        assert bench.counts.of("error") == []


def test_it_is_sent_on_a_fresh_connection_though_others_are_idle() -> None:
    together = threading.Barrier(3, timeout=10)

    def script(request: Request) -> bytes | None:
        if request.number > 1:
            return None
        if request.connection <= 3:
            together.wait()
        return answer()

    with ScriptedServer(script) as server, a_bench(server.url) as bench:
        workers = [threading.Thread(target=bench.ask) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert bench.ask() == ()
        assert len(server.seen) == 5
        assert server.seen[-1] == (4, 1)


def test_a_failure_on_a_fresh_connection_is_not_sent_again_by_the_session() -> None:
    with ScriptedServer(lambda _: None) as server, a_bench(server.url) as bench:
        assert bench.fails().reason is Reason.CONNECTION
        # the three attempts of a call, each on a connection of its own
        assert server.seen == [(1, 1), (2, 1), (3, 1)]


def a_session(watchdog: Watchdog) -> GuardedSession:
    return GuardedSession(watchdog, 1)


def test_only_a_get_is_sent_twice() -> None:
    with ScriptedServer(lambda request: answer() if request.number == 1 else None) as server, a_bench("") as bench:
        session = a_session(bench.watchdog)
        for method in ("GET", "POST"):
            prepared = session.prepare_request(requests.Request(method, server.url))
            with session.call(1.0):
                sending = contextlib.nullcontext() if method == "GET" else pytest.raises(requests.ConnectionError)
                with sending, session.send_as_is(prepared, 1.0) as response:
                    assert response.content == b"[]"
        session.close()
        assert server.seen == [(1, 1), (1, 2)]


def test_a_slow_platform_is_not_repeatedly_taken_for_a_dropped_connection() -> None:
    def script(request: Request) -> bytes | None:
        request.ended.wait(0.8 if request.connection > 1 or request.number > 1 else 0)
        return answer()

    with ScriptedServer(script) as server, a_bench(server.url, timeout=1.2) as bench:
        assert bench.ask() == ()
        bench.clock.shift += 3
        # 0.6 s on the used connection, 0.6 s on a fresh one: both are shorter than the 0.8 s that an answer takes
        assert bench.fails().reason is Reason.TIMEOUT
        assert bench.ask() == ()
        bench.clock.shift += 3
        assert bench.ask() == ()
        assert server.seen[-1] == (3, 2)


def test_idle_connections_are_closed_within_a_minute_and_their_descriptors_with_them() -> None:
    with ScriptedServer(lambda _: answer()) as server, a_bench(server.url) as bench:
        before = descriptors()
        assert bench.ask() == ()
        # the socket, the handle that ends it, and the server's end
        assert descriptors() == before + 3
        bench.clock.shift += 49
        bench.watchdog._worker.wake()
        time.sleep(0.1)
        assert descriptors() == before + 3
        bench.clock.shift += 2
        bench.watchdog._worker.wake()
        wait_until(lambda: descriptors() == before, within=3)
        assert bench.watchdog._owners == set()
        assert bench.ask() == ()
        assert server.seen == [(1, 1), (2, 1)]


def test_a_connection_that_was_idle_for_too_long_is_not_used_again_even_if_it_is_still_there() -> None:
    with ScriptedServer(lambda _: answer()) as server, a_bench(server.url) as bench:
        assert bench.ask() == ()
        bench.clock.shift += 51
        assert bench.ask() == ()
        assert server.seen == [(1, 1), (2, 1)]


def test_connections_over_tls_are_used_again_and_closed_alike(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with (
        a_simulator({"u1": [a_record()]}, tls=context) as platform,
        a_bench(platform.url, tls=LiveTls(TlsFiles(ca_file=tmp_path / "ca.pem"))) as bench,
    ):

        def port() -> int:
            assert len(bench.ask()) == 1
            pool = bench.client._endpoint._session._adapter._pool
            assert pool is not None
            assert pool.pool is not None
            used: int = pool.pool.queue[-1].sock.getsockname()[1]
            return used

        first = port()
        assert port() == first
        bench.clock.shift += 51
        second = port()
        assert second != first
        assert port() == second


def test_connections_are_kept_alive_by_tcp() -> None:
    with ScriptedServer(lambda _: answer()) as server, a_bench(server.url) as bench:
        assert bench.ask() == ()
        pool = bench.client._endpoint._session._adapter._pool
        assert pool is not None
        assert pool.pool is not None
        sock: socket.socket = pool.pool.queue[-1].sock
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15


# Time limits


def test_a_slow_answer_on_a_closing_connection_ends_in_time() -> None:
    def script(request: Request) -> bytes | None:
        request.peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not request.ended.wait(0.05):
            request.peer.sendall(b"[")
        return None

    with ScriptedServer(script) as server, a_bench(server.url, timeout=0.4) as bench:
        before = descriptors()
        started = time.monotonic()
        assert bench.fails().reason is Reason.TIMEOUT
        assert time.monotonic() - started < 1.5
        # At most the server's end is still open.
        assert descriptors() <= before + 1


def test_waiting_for_other_requests_does_not_count_for_the_time_limit() -> None:
    def script(request: Request) -> bytes | None:
        request.ended.wait(0.4)
        return answer()

    with ScriptedServer(script) as server, a_bench(server.url, timeout=0.8, concurrency=1) as bench:
        outcomes: list[Any] = []
        workers = [threading.Thread(target=lambda: outcomes.append(bench.ask(stop=Stop()))) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert outcomes == [()] * 4
        assert {connection for connection, _ in server.seen} == {1}


def test_a_stop_cancels_its_requests_in_flight_and_waiting_but_no_others() -> None:
    hanging = threading.Event()

    def script(request: Request) -> bytes | None:
        if "u2" not in request.head:
            hanging.set()
            request.ended.wait(20)
        return answer()

    with ScriptedServer(script) as server, a_bench(server.url, timeout=20, concurrency=1) as bench:
        stop, outcomes = Stop(), list[str]()

        def ask() -> None:
            try:
                bench.ask("u1", stop)
            except StoppedError:
                outcomes.append("stopped")

        workers = [threading.Thread(target=ask) for _ in range(3)]
        for worker in workers:
            worker.start()
        assert hanging.wait(5)
        started = time.monotonic()
        stop.set()
        for worker in workers:
            worker.join(5)
        assert time.monotonic() - started < 1
        assert outcomes == ["stopped"] * 3
        assert bench.counts.of("error") == []
        assert bench.ask("u2", Stop()) == ()


# Descriptors


def test_a_closed_client_leaves_no_descriptor_behind() -> None:
    with ScriptedServer(lambda _: answer()) as server, no_collector():
        before = descriptors()
        for _ in range(10):
            with a_bench(server.url) as bench:
                assert bench.ask() == ()
        wait_until(lambda: descriptors() == before, within=3)


def test_after_many_reloads_there_are_as_many_descriptors_and_threads_as_after_one(tmp_path: Path) -> None:
    with a_simulator({"u1": [a_record()], "u2": [a_record("pt-2")]}) as platform:

        def configure(number: int) -> Path:
            return write_config(
                tmp_path, platform, ["u1", "u2"], poll={"interval": "1h", "timeout": f"{1 + number % 2}s"}
            )

        with Exporter(configure(0), "--web.enable-lifecycle") as exporter:
            pid = exporter.ready().process.pid

            def reload(number: int) -> None:
                configure(number)
                before = platform.requests()
                assert requests.post(f"{exporter.url}/-/reload", timeout=5).status_code == 200
                wait_until(lambda: platform.requests() > before + 1)

            reload(1)
            # The test's own connection and the poll of the moment come and go: 3 descriptors each, two users.
            first = descriptors(pid), threads(pid)
            for number in range(2, 42):
                reload(number)
            wait_until(lambda: descriptors(pid) <= first[0] + 6)
            wait_until(lambda: threads(pid) <= first[1] + 4)


# What the platform repeats


def test_interim_answers_are_skipped_and_the_connection_is_used_again() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    with ScriptedServer(lambda _: hints * 2 + answer()) as server, a_bench(server.url) as bench:
        assert (bench.ask(), bench.ask()) == ((), ())
        assert server.seen == [(1, 1), (1, 2)]


def test_interim_answers_without_end_are_a_timeout() -> None:
    # 25 MB: the server is still sending when the time is over.
    with (
        ScriptedServer(lambda _: b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000_000) as server,
        a_bench(server.url, timeout=0.3) as bench,
    ):
        assert bench.fails().reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ([f"X-{number}: x" for number in range(120)], "the answer has more than 100 headers"),
        (["X-Long: " + "x" * 70_000], "the answer has a header line of more than 65536 bytes"),
    ],
)
def test_a_limit_for_headers_is_named_after_one_request(headers: list[str], detail: str) -> None:
    with ScriptedServer(lambda _: answer(b"[]", "200 OK", *headers)) as server, a_bench(server.url) as bench:
        error = bench.fails()
        assert (error.reason, error.detail) == (Reason.INVALID_RESPONSE, detail)
        assert server.seen == [(1, 1)]


PRIVATE = ADMIN_TOKEN.partition("_")[2]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("403 Forbidden", (), b'{"errorCode": "TOKEN", "message": "TOKEN", "requestId": "TOKEN"}'),
        ("403 Forbidden", (), b'{"errorCode": "' + b"x" * 70 + b'TOKEN"}'),
        ("403 Forbidden", (), b'{"errorCode": "X", "errorMessage": "' + b"x" * 150 + b'TOKEN"}'),
        ("403 Forbidden", (), "\u4ee4\u724c".encode("gbk").join([b'{"errorMessage": "', b'TOKEN"}'])),
        ("200 OK", (), b'{"success": false, "errorCode": "TOKEN"}'),
        ("200 OK", (), b'{"message": "TOKEN is not valid", "data": []}'),
        ("302 Found", ("Location: http://PRIVATE.example/",), b""),
        ("302 Found", ("Location: https://TOKEN/",), b""),
        ("404 TOKEN", (), b"TOKEN"),
    ],
)
def test_a_token_that_the_platform_repeats_is_in_no_error(status: str, headers: tuple[str, ...], body: bytes) -> None:
    def script(request: Request) -> bytes | None:
        token = request.header("x-yunxiao-token").encode()
        given = answer(body.replace(b"TOKEN", token), status, *headers)
        return given.replace(b"PRIVATE", PRIVATE.encode()).replace(b"TOKEN", token)

    with ScriptedServer(script) as server, a_bench(server.url) as bench:
        error = bench.fails()
    # Neither whole nor cut.
    assert PRIVATE[:6] not in f"{error} {error.detail} {error.failure}"


def test_a_token_that_the_platform_repeats_in_its_list_is_not_kept() -> None:
    def script(request: Request) -> bytes | None:
        token = request.header("x-yunxiao-token")
        body = f'[{{"tokenId": "pt-1", "name": "{token}", "expiredAt": null}}]'
        return answer(body.encode())

    with ScriptedServer(script) as server, a_bench(server.url) as bench:
        (token,) = bench.ask()
    public = ADMIN_TOKEN.partition("_")[0]
    assert token.name == f"{public}_[redacted]"
