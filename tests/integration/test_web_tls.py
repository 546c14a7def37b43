"""TLS of the HTTP server over loopback: versions, ciphers, curves, client certificates, renewed files."""

from __future__ import annotations

import base64
import itertools
import os
import socket
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
import yaml
from cryptography import x509
from support.asgi import answering
from support.running import PASSWORD, wait_until
from support.web import CountedRefusals
from support.web_certificates import Certificates

from exporter.common.clock import SystemClock
from exporter.common.worker import Supervisor
from exporter.metrics.families.http import Refusal
from exporter.web import live_security
from exporter.web.live_security import LiveSecurity
from exporter.web.security import WebSecurity
from exporter.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIR = {"cert_file": "server.crt", "key_file": "server.key"}
GCM_128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
GCM_256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture(autouse=True)
def _frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_security, "CHECK_INTERVAL", 0.1)


class Server:
    """The HTTP server in this process."""

    def __init__(self, certificates: Certificates, **content: Any) -> None:
        self.certificates = certificates
        self.file = certificates.folder / "web.yml"
        self.write(**content)
        clock = SystemClock()
        self.refusals = CountedRefusals(clock)
        self.failures = 0
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        app = answering(200, b"hello", (b"content-length", b"5"))
        self.live = LiveSecurity(WebSecurity.load(self.file), app, clock, self.refusals, self._failed)
        supervisor = Supervisor(self.refusals.internal_error, clock)
        self.web = WebServer(self.live, [listening], supervisor, clock, self.refusals)
        self.web.start()

    def _failed(self) -> None:
        self.failures += 1

    def write(self, **content: Any) -> None:
        """Replace the web configuration at once."""
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(content))
        new.rename(self.file)

    def get(self, client: ssl.SSLContext | None = None, **headers: str) -> Answer:
        context = self.client() if client is None else client
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            secure.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
            answer = b""
            while chunk := secure.recv(4096):
                answer += chunk
            if not answer:
                raise EOFError
            serial = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"").serial_number
            return Answer(int(answer.split(b" ", 2)[1]), secure.cipher(), serial)

    def client(self, certificate: str | None = None) -> ssl.SSLContext:
        """A client that trusts the server, with a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.certificates.folder / "ca.pem"))
        if certificate is not None:
            context.load_cert_chain(str(self.certificates.folder / certificate))
        return context


class Answer:
    def __init__(self, status: int, cipher: tuple[str, str, int] | None, serial: int) -> None:
        self.status = status
        self.cipher = "" if cipher is None else cipher[0]
        self.version = "" if cipher is None else cipher[1]
        self.serial = serial


@contextmanager
def serving(certificates: Certificates, **content: Any) -> Iterator[Server]:
    server = Server(certificates, **content)
    try:
        yield server
    finally:
        server.web.stop()


def a_hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def tls(**keys: Any) -> dict[str, Any]:
    return {"tls_server_config": PAIR | keys}


# Client certificates, for each type: with none, one of the authority, one that has signed itself, an expired one.


@pytest.mark.parametrize(
    ("section", "accepted"),
    [
        ({}, {None, "client.pem", "stranger.pem", "expired.pem"}),
        ({"client_auth_type": "RequestClientCert"}, {None, "client.pem", "stranger.pem", "expired.pem"}),
        ({"client_auth_type": "RequireAnyClientCert"}, {"client.pem", "stranger.pem", "expired.pem"}),
        (
            {"client_auth_type": "RequireAnyClientCert", "client_ca_file": "ca.pem"},
            {"client.pem", "stranger.pem", "expired.pem"},
        ),
        ({"client_auth_type": "VerifyClientCertIfGiven"}, {None}),
        ({"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": "ca.pem"}, {None, "client.pem"}),
        ({"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}, {"client.pem"}),
        # As in Go, any certificate may be an authority.
        ({"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "stranger.pem"}, {"stranger.pem"}),
        ({"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "client.pem"}, {"client.pem"}),
    ],
)
def test_client_certificates(certificates: Certificates, section: dict[str, str], accepted: set[str | None]) -> None:
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    with serving(certificates, **tls(**section)) as server:
        for name, version in itertools.product((None, "client.pem", "stranger.pem", "expired.pem"), versions):
            client = server.client(name)
            client.maximum_version = version
            if name in accepted:
                assert server.get(client).status == 200
            else:
                with pytest.raises(REFUSED):
                    server.get(client)
        refused = 2 * (4 - len(accepted))
        assert wait_until(lambda: server.refusals.seen[Refusal.TLS_HANDSHAKE] == refused)


@pytest.mark.parametrize(
    ("name", "version", "alert"),
    [
        (None, ssl.TLSVersion.TLSv1_2, "HANDSHAKE_FAILURE"),
        (None, ssl.TLSVersion.TLSv1_3, "CERTIFICATE_REQUIRED"),
        ("stranger.pem", ssl.TLSVersion.TLSv1_2, "UNKNOWN_CA"),
        ("stranger.pem", ssl.TLSVersion.TLSv1_3, "UNKNOWN_CA"),
    ],
)
def test_a_client_learns_why_its_handshake_failed(
    certificates: Certificates, name: str | None, version: ssl.TLSVersion, alert: str
) -> None:
    section = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    with serving(certificates, **tls(**section)) as server:
        client = server.client(name)
        client.minimum_version = client.maximum_version = version
        with pytest.raises(ssl.SSLError, match=alert):
            server.get(client)
        assert wait_until(lambda: server.refusals.seen == {Refusal.TLS_HANDSHAKE: 1})


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [
        (["prometheus.example.com"], True),
        (["other", "ops@example.com"], True),
        (["2001:DB8:0:0::1"], True),
        (["prometheus"], False),
        (["PROMETHEUS.example.com"], False),
        (["*.example.com"], False),
    ],
)
def test_names_of_clients(certificates: Certificates, allowed: list[str], fits: bool) -> None:  # noqa: FBT001
    section = {
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca": certificates.text("ca.pem"),
        "client_allowed_sans": allowed,
    }
    with serving(certificates, **tls(**section)) as server:
        if fits:
            assert server.get(server.client("client.pem")).status == 200
        else:
            with pytest.raises(REFUSED):
                server.get(server.client("client.pem"))
            assert server.refusals.seen == {Refusal.CLIENT_NOT_ALLOWED: 1}


@pytest.mark.parametrize(("allowed", "fits"), [("test3", True), ("bad", False)])
def test_names_of_unverified_certificates(certificates: Certificates, allowed: str, fits: bool) -> None:  # noqa: FBT001
    section = {"client_auth_type": "RequireAnyClientCert", "client_allowed_sans": [allowed]}
    with serving(certificates, **tls(**section)) as server:
        if fits:
            assert server.get(server.client("stranger.pem")).status == 200
        else:
            with pytest.raises(REFUSED):
                server.get(server.client("stranger.pem"))


def test_a_client_without_certificate_has_none_of_the_names(certificates: Certificates) -> None:
    section = {
        "client_auth_type": "VerifyClientCertIfGiven",
        "client_ca_file": "ca.pem",
        "client_allowed_sans": ["ops@example.com"],
    }
    with serving(certificates, **tls(**section)) as server:
        assert server.get(server.client("client.pem")).status == 200
        with pytest.raises(REFUSED):
            server.get()


def test_a_session_that_is_resumed_is_checked_too(certificates: Certificates) -> None:
    section = {"client_auth_type": "RequireAnyClientCert", "client_allowed_sans": ["test3"]}
    with serving(certificates, **tls(**section)) as server:
        client = server.client("stranger.pem")
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        reused = []
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
                client.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
            ):
                secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert secure.recv(4096).startswith(b"HTTP/1.1 200")
                session = secure.session
                reused.append(secure.session_reused)
        assert reused[0] is False


# Versions, ciphers, curves


def test_versions(certificates: Certificates) -> None:
    with serving(certificates, **tls(max_version="TLS12")) as server:
        assert server.get().version == "TLSv1.2"
        client = server.client()
        client.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(ssl.SSLError):
            server.get(client)
    with serving(certificates, **tls(min_version="TLS13")) as server:
        client.minimum_version = ssl.TLSVersion.TLSv1_2
        assert server.get(client).version == "TLSv1.3"
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            server.get(client)


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [({}, "AES256-GCM-SHA384"), ({"prefer_server_cipher_suites": False}, "AES128-GCM-SHA256")],
)
def test_the_order_of_ciphers_is_the_server_s_or_the_client_s(
    certificates: Certificates, keys: dict[str, bool], chosen: str
) -> None:
    section = {"cipher_suites": [GCM_256, GCM_128], "max_version": "TLS12"} | keys
    with serving(certificates, **tls(**section)) as server:
        client = server.client()
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        assert server.get(client).cipher == f"ECDHE-ECDSA-{chosen}"
        client.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        with pytest.raises(ssl.SSLError):
            server.get(client)


def test_ciphers_of_tls_1_3_alone_leave_no_older_version(certificates: Certificates) -> None:
    content = tls(cipher_suites=["TLS_AES_128_GCM_SHA256"]) | {"http_server_config": {"http2": False}}
    with serving(certificates, **content) as server:
        assert server.get().version == "TLSv1.3"
        client = server.client()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            server.get(client)


def test_one_curve(certificates: Certificates) -> None:
    with serving(certificates, **tls(min_version="TLS13", curve_preferences=["CurveP521"])) as server:
        client = server.client()
        client.set_ecdh_curve("secp521r1")
        assert server.get(client).status == 200
        client.set_ecdh_curve("secp384r1")
        with pytest.raises(ssl.SSLError):
            server.get(client)


def test_http_on_the_tls_port_is_refused_and_counted(certificates: Certificates) -> None:
    with serving(certificates, **tls()) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"hello" not in plain.recv(4096)
        assert wait_until(lambda: server.refusals.seen[Refusal.TLS_HANDSHAKE] == 1)
        assert server.get().status == 200


# Files that change


def test_inline_certificate_and_key(certificates: Certificates) -> None:
    section = {"cert": certificates.text("server.crt"), "key": certificates.text("server.key")}
    with serving(certificates, tls_server_config=section) as server:
        before = server.get().serial
        serial = certificates.renew()
        section = {"cert": certificates.text("server.crt"), "key": certificates.text("server.key")}
        server.write(tls_server_config=section)
        wait_until(lambda: server.get().serial == serial)
        assert serial != before


def test_a_renewed_certificate_is_served_to_the_next_connection(certificates: Certificates) -> None:
    with serving(certificates, **tls()) as server:
        old = server.get().serial
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
            server.client().wrap_socket(plain, server_hostname="localhost") as kept,
        ):
            serial = certificates.renew()
            wait_until(lambda: server.get().serial == serial)
            # A connection that is open goes on.
            kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        assert serial != old
        assert server.failures == 0


def test_certificates_of_kubernetes_are_replaced_by_a_symbolic_link(certificates: Certificates) -> None:
    folder = certificates.folder
    for name in ("one", "two"):
        (folder / name).mkdir()
        serial = certificates.renew()
        for file in ("server.crt", "server.key"):
            (folder / file).rename(folder / name / file)
    (folder / "..data").symlink_to("one")
    for file in ("server.crt", "server.key"):
        (folder / file).symlink_to(f"..data/{file}")
    with serving(certificates, **tls()) as server:
        assert server.get().serial != serial
        (folder / "..new").symlink_to("two")
        (folder / "..new").replace(folder / "..data")
        wait_until(lambda: server.get().serial == serial)


@pytest.mark.parametrize("kind", ["garbage", "other key", "encrypted", "missing", "pipe"])
def test_a_bad_new_key_keeps_the_last_good_one_and_is_counted_once(
    certificates: Certificates, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(certificates, **tls()) as server:
        serial = server.get().serial
        key = certificates.folder / "server.key"
        encrypted = certificates.encrypted_key()
        key.unlink()
        match kind:
            case "garbage":
                key.write_text("garbage")
            case "other key":
                key.write_text(certificates.text("client.pem"))
            case "encrypted":
                key.write_text(encrypted)
            case "pipe":
                os.mkfifo(key)
        wait_until(lambda: server.failures == 1)
        assert server.get().serial == serial
        assert "server.key" in caplog.text
        key.unlink(missing_ok=True)
        renewed = certificates.renew()
        wait_until(lambda: server.get().serial == renewed)
        assert server.failures == 1


def test_a_new_authority_for_clients_counts_from_the_next_connection(certificates: Certificates) -> None:
    section = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "clients.pem"}
    authority = certificates.folder / "clients.pem"
    authority.write_text(certificates.text("ca.pem"))
    with serving(certificates, **tls(**section)) as server:
        assert server.get(server.client("client.pem")).status == 200
        authority.write_text(certificates.text("stranger.pem"))

        def accepts(name: str) -> bool:
            try:
                return server.get(server.client(name)).status == 200
            except REFUSED:
                return False

        wait_until(lambda: accepts("stranger.pem"))
        assert not accepts("client.pem")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "switches TLS off and basic auth off, which is not possible at run time"),
        ("tls_server_config: {cert_file: server.crt, key_file: server.key}\n", "switches basic auth off, which"),
    ],
)
def test_a_truncated_file_lets_no_more_clients_in(
    certificates: Certificates, content: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(certificates, **tls(), basic_auth_users={"prom": a_hash("another")}) as server:
        server.file.write_text(content)
        wait_until(lambda: server.failures == 1)
        assert server.get().status == 401
        assert words in caplog.text
        assert "if that is intended, restart the exporter" in caplog.text


def test_users_are_read_again(certificates: Certificates) -> None:
    def credentials(password: str) -> str:
        return f"Basic {base64.b64encode(f'prom:{password}'.encode()).decode()}"

    with serving(certificates, **tls(), basic_auth_users={"prom": a_hash(PASSWORD)}) as server:
        assert server.get().status == 401
        assert server.get(Authorization=credentials(PASSWORD)).status == 200
        server.write(**tls(), basic_auth_users={"prom": a_hash("another")})
        wait_until(lambda: server.get(Authorization=credentials("another")).status == 200)
        assert server.get(Authorization=credentials(PASSWORD)).status == 401
        # A password in plain text is refused and not shown.
        server.write(**tls(), basic_auth_users={"prom": PASSWORD})
        wait_until(lambda: server.failures == 1)
        assert server.get(Authorization=credentials("another")).status == 200


def test_the_check_of_names_is_not_switched_off_at_run_time(certificates: Certificates) -> None:
    section = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    with serving(certificates, **tls(**section, client_allowed_sans=["other"])) as server:
        server.write(**tls(**section))
        wait_until(lambda: server.failures == 1)
        with pytest.raises(REFUSED):
            server.get(server.client("client.pem"))
