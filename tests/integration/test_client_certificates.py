"""Servers that require a client certificate: the platform's gateway, Alertmanager, Redis, another exporter."""

from __future__ import annotations

import datetime as dt
import gc
import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme
import yaml
from support.alertmanager_stub import Alertmanager
from support.builders import a_watchdog
from support.client_certificates import ClientFiles, descriptors
from support.commands import run
from support.redis import Listener, RedisServer
from support.running import Exporter, Running, a_record, a_simulator, free_port, wait_until, write_config

from exporter.cluster.redis import RedisCallError, RedisClient
from exporter.common.clock import SystemClock
from exporter.common.live_tls import LiveTls, TlsFiles
from exporter.common.redaction import Redactor
from exporter.config.redis import Redis as RedisSection
from exporter.config.settings import RedisSettings
from exporter.http.session import GuardedSession

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

EXPIRY = "yunxiao_exporter_client_certificate_expiry_timestamp_seconds"
KEYS = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}


@pytest.fixture
def files(tmp_path: Path) -> ClientFiles:
    return ClientFiles(tmp_path)


@pytest.fixture
def platform(files: ClientFiles) -> Iterator[Simulator]:
    with a_simulator({"u1": [a_record(expires_in=600)]}, tls=files.server()) as simulator:
        yield simulator


@contextmanager
def a_session(tls: LiveTls) -> Iterator[GuardedSession]:
    watchdog = a_watchdog(SystemClock())
    watchdog.start()
    session = GuardedSession(watchdog, 4, tls=tls)
    try:
        yield session
    finally:
        session.close()
        watchdog.stop()


def get(session: GuardedSession, url: str) -> int:
    with session.call(5.0), session.get(url, timeout=5.0, allow_redirects=False, stream=True) as response:
        response.raw.read()
        return response.status_code


def test_the_daemon_polls_and_alerts_with_certificates_and_follows_their_files(
    files: ClientFiles, platform: Simulator, tmp_path: Path
) -> None:
    end = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    files.renew(not_after=end)
    with Alertmanager() as stub:
        stub.server.socket = files.server().wrap_socket(stub.server.socket, server_side=True)
        config = write_config(tmp_path, platform, ["u1"], tls=KEYS)
        alerting = {
            "resend_interval": "1s",
            "alertmanagers": [{"url": stub.url.replace("http:", "https:"), "tls": KEYS}],
        }
        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"alerting": alerting}))
        with Exporter(config) as exporter:
            exporter.ready()
            series = f'{EXPIRY}{{cert_file="{tmp_path}/cert.pem"}}'
            wait_until(lambda: exporter.samples().get(series) == 1_893_456_000.0)  # 2030-01-01T00:00:00Z
            assert exporter.samples()['yunxiao_user_up{organization="acme",user="u1",user_id="u1"}'] == 1
            wait_until(stub.alerts)
            # Only a certificate, without its key: the pair that was loaded last stays in use.
            files.put("cert.pem", trustme.CA().issue_cert("x").cert_chain_pems[0].bytes())
            wait_until(lambda: exporter.samples()["yunxiao_exporter_tls_file_errors_total"] == 2, within=30)
            words = "key.pem does not belong to the certificate"
            assert exporter.output.count(words) == 2  # one for each section
            asked, posts = platform.requests(), len(stub.posts)
            wait_until(lambda: platform.requests() > asked + 2 and len(stub.posts) > posts + 1)
            assert exporter.samples()[series] == 1_893_456_000.0
            # Another authority has issued the new pair: the servers refuse it from the next request on.
            files.renew(trustme.CA())
            refused = 'yunxiao_user_failure{organization="acme",reason="tls",user="u1",user_id="u1"}'
            wait_until(lambda: exporter.samples().get(refused) == 1)
            wait_until(
                lambda: "no delivery: TLS: the server refused the client certificate (unknown ca)" in exporter.output
            )
            files.renew()
            wait_until(lambda: refused not in exporter.samples())


def test_a_missing_certificate_is_named_and_check_config_finds_it(
    files: ClientFiles, platform: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, platform, ["u1"], tls={"ca_file": "ca.pem"})
    result = run("check-config", "-c", str(config), "--probe")
    assert result.returncode == 1
    assert "TLS: the server requires a client certificate: set tls.cert_file and tls.key_file" in result.stderr
    files.renew(not_after=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    config = write_config(tmp_path, platform, ["u1"], tls=KEYS)
    result = run("check-config", "-c", str(config), "--probe")
    assert (
        f"organizations[0].tls.cert_file: {tmp_path}/cert.pem expired at 2026-01-01T00:00:00Z; renew it"
        in result.stderr
    )
    assert "TLS: the server refused the client certificate (certificate expired)" in result.stderr
    files.renew()
    result = run("check-config", "-c", str(config), "--probe")
    assert (result.returncode, result.stderr) == (0, "")
    files.put("key.pem", trustme.CA().issue_cert("x").private_key_pem.bytes())
    result = run("check-config", "-c", str(config))
    assert result.returncode == 1
    assert f"organizations[0].tls.key_file: {tmp_path}/key.pem does not belong to the certificate" in result.stderr


def test_an_open_connection_is_replaced_when_the_files_change(files: ClientFiles, platform: Simulator) -> None:
    url = f"{platform.url}/"
    with a_session(files.tls()) as session:
        get(session, url)
        files.renew(trustme.CA())
        with pytest.raises(Exception, match=r"UNKNOWN_CA|unknown ca"):
            get(session, url)
        files.renew()
        get(session, url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_not_shown_the_certificate(files: ClientFiles, scheme: str) -> None:
    context, shown, asked = files.server(), [], []
    context.verify_mode = ssl.CERT_OPTIONAL

    def serve(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as wrapped:
            asked.append(wrapped.recv(65536).split(b" ")[0])
            shown.append(wrapped.getpeercert())
            wrapped.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with Listener(serve) as proxy, a_session(files.tls()) as session:
        session.proxies = {scheme: f"https://localhost:{proxy.port}"}
        with suppress(requests.exceptions.ProxyError):
            get(session, f"{scheme}://platform.invalid/")
    assert (asked, shown) == ([b"CONNECT" if scheme == "https" else b"GET"], [None])


def test_two_hundred_rotations_leave_neither_pools_nor_descriptors_nor_contexts_behind(
    files: ClientFiles, platform: Simulator
) -> None:
    pairs = []
    for _ in range(2):
        files.renew()
        pairs.append([(files.folder / name).read_bytes() for name in ("cert.pem", "key.pem")])
    with a_session(files.tls()) as session:

        def rotate(times: int) -> None:
            for number in range(times):
                files.put("cert.pem", pairs[number % 2][0])
                files.put("key.pem", pairs[number % 2][1])
                get(session, f"{platform.url}/")

        rotate(10)
        gc.collect()
        before = descriptors(), _count(ssl.SSLContext), _count(ssl.SSLSocket)
        rotate(200)
        gc.collect()
        after = descriptors(), _count(ssl.SSLContext), _count(ssl.SSLSocket)
    # The simulator, in this process, may still be closing its end of the last connections.
    assert all(now <= then + 6 for now, then in zip(after, before, strict=True)), (before, after)


def _count(kind: type) -> int:
    return sum(isinstance(one, kind) for one in gc.get_objects())


@contextmanager
def a_redis(executable: str, files: ClientFiles) -> Iterator[int]:
    """Debian's Redis behind TLS, which requires client certificates; its port."""
    issued = files.authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(files.folder / "redis.pem"))
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-auth-clients", "yes", "--tls-ca-cert-file", "ca.pem"]
    tls += ["--tls-cert-file", "redis.pem", "--tls-key-file", "redis.pem"]
    with RedisServer(executable, files.folder, free_port(), *tls).ready():
        yield port


def a_redis_client(port: int, tls: LiveTls) -> RedisClient:
    return RedisClient(RedisSettings(RedisSection(url=f"rediss://127.0.0.1:{port}/0"), None, tls), Redactor())


def test_redis_is_shown_the_certificate_in_the_files(redis_server: str, files: ClientFiles) -> None:
    def ask(client: Any) -> Any:
        return client.ping()

    with a_redis(redis_server, files) as port, ExitStack() as stack:
        without = a_redis_client(port, LiveTls(TlsFiles(ca_file=files.files.ca_file)))
        stack.callback(without.close)
        with pytest.raises(RedisCallError, match=r"(?i)certificate.required"):
            without.call(ask)
        tls = files.tls()
        client = a_redis_client(port, tls)
        stack.callback(client.close)
        assert client.call(ask) is True
        client._drop_connections(time.monotonic())
        files.put("key.pem", b"")
        assert client.call(ask) is True  # with the last valid pair
        assert tls.problem is not None
        files.renew(trustme.CA())
        client._drop_connections(time.monotonic())
        with pytest.raises(RedisCallError, match=r"(?i)unknown.ca"):
            client.call(ask)
        files.renew()
        assert client.call(ask) is True


def test_sentinels_are_shown_the_certificate_too(redis_server: str, files: ClientFiles) -> None:
    sentinel = files.folder / "sentinel.conf"
    with a_redis(redis_server, files) as master:
        port = free_port()
        keys = (
            "cert-file redis.pem",
            "key-file redis.pem",
            "ca-cert-file ca.pem",
            "auth-clients yes",
            "replication yes",
        )
        lines = ["port 0", f"tls-port {port}", f"dir {files.folder}", *(f"tls-{key}" for key in keys)]
        sentinel.write_text("\n".join([*lines, f"sentinel monitor mymaster 127.0.0.1 {master} 1", ""]))
        with Running([redis_server, str(sentinel), "--sentinel"]):
            section = RedisSection(url=f"rediss+sentinel://127.0.0.1:{port}/mymaster/0")
            client = RedisClient(RedisSettings(section, None, files.tls()), Redactor())

            def answers() -> bool:
                with suppress(RedisCallError):
                    return client.call(lambda redis: redis.ping()) is True
                return False

            wait_until(answers)
            without = RedisClient(RedisSettings(section, None, LiveTls(TlsFiles(files.files.ca_file))), Redactor())
            with pytest.raises(RedisCallError):
                without.call(lambda redis: redis.ping())
            client.close()
            without.close()


def test_a_cluster_works_over_mutual_tls(
    redis_server: str, files: ClientFiles, platform: Simulator, tmp_path: Path
) -> None:
    with a_redis(redis_server, files) as port:
        config = write_config(tmp_path, platform, ["u1"], tls=KEYS)
        redis = {"url": f"rediss://127.0.0.1:{port}/0", "tls": KEYS}
        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"redis": redis}))
        with Exporter(config) as exporter:
            exporter.ready()
            wait_until(lambda: exporter.samples().get("yunxiao_exporter_redis_up") == 1)
            assert exporter.samples()["yunxiao_exporter_leader"] == 1


def test_commands_ask_an_exporter_that_requires_a_client_certificate(files: ClientFiles, tmp_path: Path) -> None:
    issued = files.authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    section = {"cert_file": "server.pem", "key_file": "server.pem", "client_ca_file": "ca.pem"}
    web = tmp_path / "web.yml"
    web.write_text(yaml.safe_dump({"tls_server_config": section | {"client_auth_type": "RequireAndVerifyClientCert"}}))
    with (
        a_simulator({"u1": [a_record("pt-1")]}) as simulator,
        Exporter(write_config(tmp_path, simulator, ["u1"]), "--web.config.file", str(web)) as exporter,
    ):
        url = exporter.url.replace("http:", "https:")
        ca = ["--from-ca-file", str(tmp_path / "ca.pem")]
        pair = ["--from-cert-file", str(tmp_path / "cert.pem"), "--from-key-file", str(tmp_path / "key.pem")]
        listed = wait_until(lambda: _listed("tokens", "--from", url, *ca, *pair, "--output", "json"))
        assert '"pt-1"' in listed
        for name in ("report", "events"):
            assert run(name, "--from", url, *ca, *pair, "--output", "json").returncode in {0, 1}
        refused = run("tokens", "--from", url, *ca)
        assert refused.returncode == 2
        assert (
            "TLS: the server requires a client certificate: set --from-cert-file and --from-key-file" in refused.stderr
        )
        alone = run("tokens", "--from", url, *pair[:2])
        assert alone.returncode == 2
        assert "--from-cert-file and --from-key-file require each other" in alone.stderr
        (tmp_path / "key.pem").write_bytes(b"")
        broken = run("tokens", "--from", url, *ca, *pair)
        assert broken.returncode == 2
        assert f"--from-key-file: {tmp_path}/key.pem contains no private key in PEM format" in broken.stderr


def _listed(*arguments: str) -> str:
    with suppress(AssertionError):
        result = run(*arguments)
        assert result.returncode in {0, 1}, result.stderr
        return result.stdout
    return ""
