"""The limits of the HTTP server with hostile, broken and slow clients, and their effect on other clients."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
import requests
import yaml
from support.builders import NOW, ManualClock, a_token
from support.running import ROOT, Exporter, Running, a_simulator, free_port, samples_of, wait_until, write_config
from support.web import CountedRefusals

from exporter.common.worker import Supervisor
from exporter.config.schema import Config
from exporter.metrics.exposition import Exposition
from exporter.metrics.families.http import Refusal
from exporter.metrics.telemetry import Telemetry
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web.app import create_app
from exporter.web.connections import IDLE_TIMEOUT, REQUEST_TIMEOUT, RESPONSE_TIMEOUT
from exporter.web.live_security import LiveSecurity
from exporter.web.security import WebSecurity
from exporter.web.served import Served
from exporter.web.server import WebServer
from exporter.web.streams import GRACE, MAX_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFUSED = "yunxiao_exporter_http_refused_total"
CONFIG = Config.model_validate(
    {"organizations": ({"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}},)}
)
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """The HTTP server in this process, with a clock that tests advance."""

    def __init__(self, users: int = 1) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        telemetry, store = Telemetry(), Store()
        ledger = Ledger("acme", [User(str(number), f"user{number}") for number in range(users)])
        for number in range(users):
            ledger.succeeded(str(number), tuple(a_token(f"pt-{number}-{token}") for token in range(3)), NOW)
        store.replace([ledger])
        exposition = Exposition(
            telemetry.registry, store, lambda: CONFIG, self.clock, telemetry.families_left_out, lambda: 0,
            telemetry.internal_error,
        )  # fmt: skip
        exposition.open()
        served = Served(exposition, store, TokenIndex(store.view), lambda: CONFIG, tuple, None, self.clock)
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()[:2]
        supervisor = Supervisor(lambda _: None, self.clock)
        app = create_app(served, self.refusals)
        security = LiveSecurity(WebSecurity.none(), app, self.clock, self.refusals, lambda: None)
        self.web = WebServer(security, [listening], supervisor, self.clock, self.refusals)
        self.web.start()

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.address, timeout=5)
        client.sendall(sent)
        return client


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.web.stop()


def received(client: socket.socket) -> bytes:
    """The data received until the server closes the connection."""
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(1 << 16):
            chunks.append(chunk)
    return b"".join(chunks)


def an_answer(client: socket.socket) -> bytes:
    answer = b""
    while b"healthy.\n" not in answer:
        answer += client.recv(1 << 16)
    return answer


@pytest.mark.parametrize("more", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Le"])
def test_a_second_request_has_a_time_limit_like_the_first(server: Server, more: bytes) -> None:
    with server.connect(GET % b"/-/healthy") as client:
        an_answer(client)
        client.sendall(more)
        time.sleep(0.2)
        server.clock.advance((REQUEST_TIMEOUT if more else IDLE_TIMEOUT) - 1)
        client.settimeout(1.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        # Sending more of it does not extend the time.
        client.sendall(more[:1])
        server.clock.advance(1)
        client.settimeout(5)
        assert received(client) == b""
    assert server.refusals.seen == ({Refusal.SLOW_REQUEST: 1} if more else {})


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx"]
)
def test_an_incomplete_request_times_out(server: Server, sent: bytes) -> None:
    with server.connect(sent) as client:
        time.sleep(0.2)
        server.clock.advance(REQUEST_TIMEOUT)
        # The one with half a body is answered early, and its connection is closed.
        assert received(client)[:12] == (b"HTTP/1.1 403" if sent.startswith(b"POST") else b"")
    assert server.refusals.seen == {Refusal.SLOW_REQUEST: 1}


def test_too_large_headers_are_refused(server: Server) -> None:
    with server.connect(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"x" * 20_000) as client:
        assert received(client).startswith(b"HTTP/1.1 400 ")
    assert server.refusals.seen == {Refusal.INVALID_REQUEST: 1}


def test_a_slow_reader_is_cut_off() -> None:
    slow = Server(users=2000)
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(slow.address)
            client.sendall(GET % b"/metrics")
            wait_until(lambda: client.recv(1))
            slow.clock.advance(RESPONSE_TIMEOUT)
            wait_until(lambda: slow.refusals.seen == {Refusal.SLOW_READER: 1})
            assert len(received(client)) < 1 << 20
    finally:
        slow.web.stop()


def test_readers_of_the_list_of_tokens_who_do_not_read_make_room_for_others() -> None:
    server = Server(users=5000)
    slow = []
    try:
        for _ in range(MAX_STREAMS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(server.address)
            client.sendall(GET % b"/api/v1/tokens")
            slow.append(client)
            client.settimeout(20)
            assert client.recv(1) == b"H"
        time.sleep(0.5)
        server.clock.advance(GRACE)
        answer = requests.get("http://{}:{}/api/v1/tokens".format(*server.address), timeout=20)
        tokens = answer.json()
        assert len({one["token_id"] for one in tokens}) == 15_000
        assert server.refusals.seen == {Refusal.SLOW_READER: 1}
    finally:
        for client in slow:
            client.close()
        server.web.stop()


def test_pipelined_requests_do_not_bypass_the_time_limit_for_readers(server: Server) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.address)
        # 700 kB of answers, more than the buffers take: the server waits for the client in the middle of them.
        client.sendall(GET % b"/-/healthy" * 4000)

        def is_cut_off() -> bool:
            server.clock.advance(RESPONSE_TIMEOUT)
            time.sleep(1.1)
            return server.refusals.seen == {Refusal.SLOW_READER: 1}

        wait_until(is_cut_off)


def test_no_redirect_to_a_host_that_the_client_names(server: Server) -> None:
    for path in ("/metrics/", "//metrics", "/-/healthy/", "/api/v1/tokens/"):
        with server.connect(
            f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode()
        ) as client:
            answer = received(client)
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"evil.example" not in answer


def test_routes_methods_and_types(server: Server) -> None:
    url = "http://{}:{}".format(*server.address)
    for path, status, kind in (
        ("/", 200, "text/html; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/v1/tokens", 200, "application/json"),
        ("/api/v1/events", 200, "application/json"),
        ("/-/ready", 503, "text/plain; charset=utf-8"),
        ("/nothing", 404, "text/plain; charset=utf-8"),
    ):
        answer = requests.get(url + path, timeout=5)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
        head = requests.head(url + path, timeout=5)
        assert (head.status_code, head.content) == (status, b"")
        if path == "/api/v1/tokens":
            assert "Content-Length" not in head.headers
        else:
            assert int(head.headers["Content-Length"]) == len(answer.content) or "Content-Encoding" in head.headers
    assert requests.post(f"{url}/metrics", timeout=5).status_code == 405
    assert requests.post(f"{url}/-/reload", timeout=5).status_code == 403


def resident_mebibytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def timed(url: str, **options: Any) -> float:
    started = time.monotonic()
    answer = requests.get(url, timeout=30, **options)
    assert answer.status_code == 200
    return time.monotonic() - started


class Slowest:
    """The slowest of repeated requests in threads."""

    def __init__(self, **requested: Callable[[], float]) -> None:
        self._requested = requested
        self._over = threading.Event()
        self._slowest = dict.fromkeys(requested, 0.0)
        self._pool = ThreadPoolExecutor(len(requested))

    def _again_and_again(self, name: str) -> None:
        while not self._over.wait(0.05):
            self._slowest[name] = max(self._slowest[name], self._requested[name]())

    def __enter__(self) -> dict[str, float]:
        self._running = [self._pool.submit(self._again_and_again, name) for name in self._requested]
        return self._slowest

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._running:
            one.result(30)
        self._pool.shutdown()


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[str, int]]:
    """URL and process id of a server with 2,000 users: 10 MB of plain text."""
    port = free_port()
    command = [sys.executable, "-m", "bench.serve", "ours", "2000", str(port)]
    with Running(command, {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}) as running:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/metrics", timeout=10).status_code == 200
            return False

        wait_until(answers)
        timed(f"{url}/")
        yield url, running.process.pid


def test_slow_readers_share_their_bodies_and_do_not_slow_down_other_clients(large: tuple[str, int]) -> None:
    url, pid = large
    port = int(url.rpartition(":")[2])
    before = resident_mebibytes(pid)
    clients = []
    with Slowest(
        healthy=lambda: timed(f"{url}/-/healthy"),
        metrics=lambda: timed(f"{url}/metrics", headers={"Accept-Encoding": "identity"}),
    ) as slowest:
        for _ in range(100):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(GET % b"/metrics")
            clients.append(client)
        time.sleep(3)
        during = resident_mebibytes(pid)
    for client in clients:
        client.close()
    # A copy each would be 1,000 MiB. Shared: a few bodies of 10 MiB and a few hundred KiB a client.
    assert during - before < 150
    assert slowest["healthy"] < 1
    assert slowest["metrics"] < 2


def test_a_hundred_concurrent_pages_are_rendered_once(large: tuple[str, int]) -> None:
    url, _ = large
    port = int(url.rpartition(":")[2])
    started = time.monotonic()
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(100)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = [received(client) for client in clients]
    slowest = time.monotonic() - started
    for client in clients:
        client.close()
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert slowest < 1


def test_bad_requests_are_counted_and_logged_with_a_limit(tmp_path: Path) -> None:
    with (
        a_simulator({"A": []}) as platform,
        Exporter(write_config(tmp_path, platform, "A", poll={"interval": "1h"})) as exporter,
    ):
        exporter.ready()
        before = exporter.output.count("\n")
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", exporter.port), timeout=5) as client:
                client.sendall(b"nonsense\r\n\r\n")
                assert received(client).startswith(b"HTTP/1.1 400 ")
        assert exporter.output.count("\n") - before <= 3
        samples = exporter.samples()
    assert samples[f'{REFUSED}{{reason="invalid_request"}}'] == 300
    assert samples["yunxiao_exporter_log_lines_suppressed_total"] == 299
    assert samples[f'{REFUSED}{{reason="slow_reader"}}'] == 0


def test_polls_continue_while_clients_exhaust_descriptors(tmp_path: Path) -> None:
    with a_simulator({f"u{number}": [] for number in range(20)}) as platform:
        config = write_config(tmp_path, platform, [f"u{number}" for number in range(20)])
        port = free_port()
        serve = f"{sys.executable} -m exporter serve --config.file {config} --web.listen-address 127.0.0.1:{port}"
        with Running(["bash", "-c", f"ulimit -n 256; exec {serve}"]) as exporter:
            url = f"http://127.0.0.1:{port}"

            def ready() -> bool:
                with contextlib.suppress(requests.ConnectionError):
                    return requests.get(f"{url}/-/ready", timeout=5).status_code == 200
                return False

            wait_until(ready)
            clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(300)]
            try:
                # A normal client gets a connection at once, and every user is polled repeatedly.
                begun = time.time()
                for _ in range(3):
                    timed(f"{url}/-/healthy")

                def polled() -> bool:
                    samples = samples_of(requests.get(f"{url}/metrics", timeout=5).text)
                    times = [at for name, at in samples.items() if name.startswith("yunxiao_user_last_success")]
                    up = sum(value for name, value in samples.items() if name.startswith("yunxiao_user_up{"))
                    return len(times) == 20 and up == 20 and min(times) > begun + 1

                wait_until(polled, 10)
                assert len([*Path(f"/proc/{exporter.process.pid}/fd").iterdir()]) < 200
            finally:
                for client in clients:
                    client.close()
            assert exporter.output.count("\n") < 30
            assert "Too many open files" not in exporter.output


def test_a_flood_of_wrong_passwords_does_not_lock_out_the_right_one(tmp_path: Path) -> None:
    password = "right-one"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()
    web = tmp_path / "web.yml"
    web.write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": hashed}}))
    with (
        a_simulator({"A": []}) as platform,
        Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter,
    ):

        def scrape() -> float:
            return timed(f"{exporter.url}/metrics", auth=("prometheus", password))

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return scrape() > 0
            return False

        wait_until(answers)
        over = threading.Event()
        statuses: set[bytes] = set()

        def attack(number: int) -> None:
            wrong = base64.b64encode(f"prometheus:wrong{number}".encode())
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\n\r\n" % wrong
            with socket.create_connection(("127.0.0.1", exporter.port), timeout=10) as client:
                while not over.is_set():
                    client.sendall(request)
                    time.sleep(0.2)
                    # The headers alone, or with the body.
                    statuses.update(re.findall(rb"^HTTP/1.1 (\d+) ", client.recv(1 << 16), re.MULTILINE))

        with ThreadPoolExecutor(100) as pool:
            flood = [pool.submit(attack, number) for number in range(100)]
            try:
                slowest = max(scrape() for _ in range(20))
            finally:
                over.set()
            for one in flood:
                one.result(20)
        samples = samples_of(requests.get(f"{exporter.url}/metrics", auth=("prometheus", password), timeout=5).text)
        assert slowest < 1
        assert statuses <= {b"401", b"429", b"503"}
        assert samples[f'{REFUSED}{{reason="wrong_credentials"}}'] > 0
        assert samples[f'{REFUSED}{{reason="password_checks_busy"}}'] > 0
        assert password not in exporter.output


def test_an_idle_server_wakes_up_once_a_second_and_stops_at_once(server: Server) -> None:
    with server.connect(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    (thread,) = (one for one in threading.enumerate() if one.name == "web")

    def waits() -> int:
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].partition("\n")[0])

    time.sleep(0.1)
    before = waits()
    time.sleep(1)
    assert waits() - before <= 5
    begun = time.monotonic()
    server.web.stop()
    assert time.monotonic() - begun < 0.9
    assert not thread.is_alive()
