"""The client against a platform on loopback that misbehaves in every way that has been seen."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import trustme
from support.builders import Counts, a_watchdog
from support.running import ADMIN_TOKEN, PASSWORD, a_record, a_simulator, free_port, keep
from support.scripted import ScriptedServer, answer

from exporter.common.cancellation import Stop, StoppedError
from exporter.common.clock import SystemClock
from exporter.common.live_tls import LiveTls, TlsFiles
from exporter.common.redaction import Redactor
from exporter.common.secrets import Secret, SecretFile, SecretValue
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.limits import RequestLimits
from exporter.platform.pacing import Pacer
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.platform.yunxiao.login import LOGIN_WORDS
from exporter.platform.yunxiao.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.common.secrets import SecretSource
    from exporter.platform.yunxiao.simulator.server import Simulator


@dataclass
class Bench:
    """A client with what is around it."""

    client: YunxiaoClient
    pacer: Pacer
    counts: Counts = field(default_factory=Counts)
    stop: Stop = field(default_factory=Stop)

    def ask(self, user_id: str = "u1") -> tuple[Any, ...]:
        return self.client.list_tokens(user_id, self.stop).tokens

    def fails(self, user_id: str = "u1") -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.ask(user_id)
        keep("error", str(caught.value).encode())
        assert ADMIN_TOKEN not in str(caught.value)
        return caught.value


@contextmanager
def a_client(endpoint: str, token: SecretSource | None = None, **changes: Any) -> Iterator[Bench]:
    clock = SystemClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    options: dict[str, Any] = {
        "timezone": ZoneInfo("Asia/Shanghai"),
        "timeout": 2.0,
        "concurrency": 8,
        "max_retry_after": 300.0,
    }
    counts, pacer = Counts(), Pacer(None, clock)
    source = token or SecretValue(Secret(ADMIN_TOKEN))
    redactor = Redactor()
    redactor.add(ADMIN_TOKEN)
    target = Target(endpoint, **(options | changes))
    limits = RequestLimits(pacer, target.concurrency)
    client = YunxiaoClient(target, source, limits, counts, watchdog, clock, redact=redactor.clean)
    try:
        yield Bench(client, pacer, counts)
    finally:
        client.close()
        watchdog.stop()


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"u1": [a_record()], "u2": [a_record("pt-2")], "张三": []}) as simulator:
        yield simulator


def test_tokens_of_a_user(platform: Simulator) -> None:
    with a_client(platform.url) as bench:
        (token,) = bench.ask()
        assert (token.token_id, token.name, token.permissions) == ("pt-1", "ci", ("base_user_read",))
        assert bench.ask("张三") == ()
        assert bench.counts.seen == [("request", "list_tokens", "200")] * 2


@pytest.mark.parametrize(
    ("fault", "reason", "detail", "requests"),
    [
        ("400", Reason.BAD_REQUEST, "HTTP 400 BadRequest", 1),
        ("401", Reason.UNAUTHORIZED, "HTTP 401 InvalidTokenError", 3),
        ("403", Reason.FORBIDDEN, "HTTP 403 Forbidden", 1),
        ("404", Reason.NOT_FOUND, "HTTP 404 NotFound", 1),
        ("418", Reason.INVALID_RESPONSE, "HTTP 418", 1),
        ("500", Reason.SERVER_ERROR, "HTTP 500 InternalServerError", 3),
        ("503", Reason.SERVER_ERROR, "HTTP 503", 3),
        ("html", Reason.INVALID_RESPONSE, "an HTML or XML page", 1),
        ("empty", Reason.INVALID_RESPONSE, "an empty body", 1),
        ("body:null", Reason.INVALID_RESPONSE, "not a list of tokens", 1),
        ('body:{"success":false,"errorCode":"X"}', Reason.INVALID_RESPONSE, "the error X", 1),
        ("truncated", Reason.CONNECTION, "was lost", 3),
        ("reset", Reason.CONNECTION, "connection failed", 3),
        ("hang", Reason.TIMEOUT, "no complete answer within 0.5 s", 1),
        ("slow", Reason.TIMEOUT, "no complete answer within 0.5 s", 1),
        ("slow_headers", Reason.TIMEOUT, "no complete answer within 0.5 s", 1),
    ],
)
def test_each_fault_has_its_reason(platform: Simulator, fault: str, reason: Reason, detail: str, requests: int) -> None:
    platform.faults.for_user("u1", Fault.parse(fault))
    with a_client(platform.url, timeout=0.5) as bench:
        started = time.monotonic()
        error = bench.fails()
        assert (error.reason, detail in error.detail) == (reason, True), error.detail
        assert platform.requests("u1") == requests
        assert bench.counts.of("error") == [("error", reason.value)] * requests
        assert len(bench.counts.of("retry")) == requests - 1
        if reason is Reason.TIMEOUT:
            assert time.monotonic() - started < 1.5
        # The next user is not touched by what happened to the connection.
        assert len(bench.ask("u2")) == 1


def test_a_temporary_fault_is_hidden_by_a_retry(platform: Simulator) -> None:
    platform.faults.for_user("u1", Fault.parse("502"))
    with a_client(platform.url) as bench:
        healer = threading.Timer(0.05, platform.faults.heal)
        healer.start()
        try:
            assert len(bench.ask()) == 1
        finally:
            healer.join()


@pytest.mark.parametrize(
    ("retry_after", "pause"), [("2", 2.0), ("600", 0.4), (None, 1.0), ("nonsense", 1.0), ("9" * 400, 0.4)]
)
def test_a_429_pauses_the_organization_up_to_the_limit(
    platform: Simulator, retry_after: str | None, pause: float
) -> None:
    platform.faults.for_user("u1", Fault.parse("429"))
    platform.faults.retry_after = retry_after
    with a_client(platform.url, max_retry_after=0.4 if pause < 1 else 300.0) as bench:
        healer = threading.Timer(0.1, platform.faults.heal)
        healer.start()
        started = time.monotonic()
        assert len(bench.ask()) == 1
        # Without a time named the pause is one second; each case must differ from it by more than it may be late.
        assert pause - 0.05 <= time.monotonic() - started < pause + 0.5
        healer.join()


def test_a_429_that_lasts_is_a_failure(platform: Simulator) -> None:
    platform.faults.for_user("u1", Fault.parse("429"))
    platform.faults.retry_after = "0"
    with a_client(platform.url) as bench:
        assert bench.fails().reason is Reason.RATE_LIMITED
        assert platform.requests() == 3


def test_redirects_are_refused_and_get_no_token(platform: Simulator) -> None:
    with a_simulator({"u1": []}) as elsewhere:
        platform.faults.for_user("u1", Fault.parse(f"redirect:{elsewhere.url}/login?x=y"))
        with a_client(platform.url) as bench:
            error = bench.fails()
        assert error.reason is Reason.REDIRECT
        assert error.detail == f"HTTP 302 to 127.0.0.1, redirects are refused; {LOGIN_WORDS}"
        assert elsewhere.requests() == 0


@pytest.mark.parametrize("location", ["http://[", "/x%zz\u00e9", "", "//", "javascript:alert(1)"])
def test_any_redirect_is_refused_as_one(platform: Simulator, location: str) -> None:
    platform.faults.for_user("u1", Fault.parse(f"redirect:{location}"))
    with a_client(platform.url) as bench:
        assert bench.fails().reason is Reason.REDIRECT


def test_a_call_can_be_cancelled(platform: Simulator) -> None:
    platform.faults.for_user("u1", Fault.parse("hang"))
    with a_client(platform.url, timeout=60) as bench:
        closer = threading.Timer(0.3, bench.client.close)
        closer.start()
        started = time.monotonic()
        with pytest.raises(StoppedError):
            bench.ask()
        assert time.monotonic() - started < 3
        closer.join()


def test_a_stop_ends_the_wait_between_retries(platform: Simulator) -> None:
    platform.faults.for_user("u1", Fault.parse("429"))
    platform.faults.retry_after = "60"
    with a_client(platform.url) as bench:
        stopper = threading.Timer(0.3, bench.stop.set)
        stopper.start()
        started = time.monotonic()
        with pytest.raises(StoppedError):
            bench.ask()
        assert time.monotonic() - started < 3
        stopper.join()


def test_refused_connections_and_unknown_hosts() -> None:
    with a_client(f"http://127.0.0.1:{free_port()}") as bench:
        assert bench.fails().detail == "connection failed: Connection refused"
    with a_client("http://no-such-host.invalid") as bench:
        assert bench.fails().detail == "the host name cannot be resolved"


def test_an_invalid_address_is_a_failed_request() -> None:
    with a_client("http://.example") as bench:
        assert bench.fails().reason is Reason.CONNECTION


def test_an_address_beyond_ascii_is_sent_as_ascii(platform: Simulator) -> None:
    # The simulator stands in for a proxy.
    platform.hosts = frozenset({"xn--9kqr76c.invalid"})
    with a_client("http://云效.invalid", proxies={"http": platform.url}) as bench:
        assert len(bench.ask()) == 1


def test_the_host_header_can_be_changed(platform: Simulator) -> None:
    platform.hosts = frozenset({"acme.rdc.example.com"})
    with a_client(platform.url) as bench:
        assert bench.fails().reason is Reason.NOT_FOUND
    with a_client(platform.url, host_header="acme.rdc.example.com") as bench:
        assert len(bench.ask()) == 1


def test_a_replaced_token_file_is_used_at_once(platform: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("pt-old_dead")
    source = SecretFile(file)
    with a_client(platform.url, source) as bench:
        assert bench.fails().reason is Reason.UNAUTHORIZED
        file.write_text(ADMIN_TOKEN + "\n")
        assert len(bench.ask()) == 1


def test_more_workers_than_ten_give_no_pool_warnings(platform: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    platform.faults.latency = 0.005
    with a_client(platform.url, concurrency=20) as bench:
        for _ in range(3):
            workers = [threading.Thread(target=bench.ask) for _ in range(50)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    assert platform.requests() == 150
    assert not [record for record in caplog.records if "pool is full" in record.getMessage()]
    assert platform.most_at_once() <= 20


def test_netrc_and_ca_bundle_of_the_environment_are_ignored(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with a_client(platform.url) as bench:
        assert len(bench.ask()) == 1


def trusting(ca_file: Path) -> LiveTls:
    return LiveTls(TlsFiles(ca_file=ca_file))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_platform(authority: trustme.CA) -> Iterator[Simulator]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with a_simulator({"u1": [a_record()]}, tls=context) as simulator:
        yield simulator


def test_a_private_authority_is_trusted_when_configured(
    tls_platform: Simulator, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with a_client(tls_platform.url) as bench:
        error = bench.fails()
        assert (error.reason, "self-signed" in error.detail or "issuer" in error.detail) == (Reason.TLS, True)
    with a_client(tls_platform.url, tls=trusting(ca_file)) as bench:
        assert len(bench.ask()) == 1
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    with a_client(tls_platform.url, tls=trusting(other)) as bench:
        assert bench.fails().reason is Reason.TLS


def test_the_name_in_the_certificate_must_be_the_expected_one(
    tls_platform: Simulator, authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    by_address = tls_platform.url.replace("localhost", "127.0.0.1")
    with a_client(by_address, tls=trusting(ca_file)) as bench:
        assert bench.fails().detail == ("TLS: IP address mismatch, certificate is not valid for '127.0.0.1'.")
    with a_client(by_address, tls=trusting(ca_file), server_name="localhost") as bench:
        assert len(bench.ask()) == 1
    with a_client(tls_platform.url, tls=trusting(ca_file), server_name="elsewhere.example") as bench:
        assert bench.fails().detail == ("TLS: Hostname mismatch, certificate is not valid for 'elsewhere.example'.")


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_verification_of_the_certificate_can_be_turned_off(tls_platform: Simulator) -> None:
    with a_client(tls_platform.url, tls=LiveTls(verify=False)) as bench:
        assert len(bench.ask()) == 1


def test_http_on_a_tls_port_and_the_other_way_round(platform: Simulator, tls_platform: Simulator) -> None:
    with a_client(platform.url.replace("http:", "https:")) as bench:
        assert bench.fails().reason is Reason.TLS
    with a_client(tls_platform.url.replace("https:", "http:"), timeout=1.0) as bench:
        assert bench.fails().reason in {Reason.CONNECTION, Reason.TIMEOUT}


def test_a_closed_connection_hints_at_https_until_the_port_has_answered_plain_http() -> None:
    good: list[bytes | None] = [None] * 3
    closed = "connection failed: closed by the server without an answer"
    with ScriptedServer(lambda _: good.pop(0) if good else None) as server, a_client(server.url) as bench:
        assert bench.fails().detail == f"{closed}: if the port speaks HTTPS, write https:// in endpoint"
        good.append(answer())
        assert bench.ask() == ()
        assert bench.fails().detail == closed


def test_a_tls_handshake_that_never_ends_is_a_timeout() -> None:
    # A listener that accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with a_client(url, timeout=0.5) as bench:
            started = time.monotonic()
            assert bench.fails().reason is Reason.TIMEOUT
            assert time.monotonic() - started < 1.5


def test_requests_go_through_the_proxy_and_its_password_stays_hidden(platform: Simulator) -> None:
    # The simulator stands in for a proxy: a proxied request names the whole URL, whose path it reads.
    proxy = platform.url.replace("http://", f"http://me:{PASSWORD}@")
    with a_client("http://acme.invalid", proxies={"http": proxy}) as bench:
        assert len(bench.ask()) == 1
    dead = f"http://me:{PASSWORD}@127.0.0.1:{free_port()}"
    with a_client("http://acme.invalid", proxies={"http": dead}) as bench:
        error = bench.fails()
        assert (error.reason, error.detail) == (
            Reason.CONNECTION,
            "the proxy cannot be reached or refused the connection",
        )
        assert PASSWORD not in repr(error)
