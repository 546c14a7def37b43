"""The real Prometheus scrapes over TLS, with a password and with a client certificate."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import bcrypt
import yaml
from cryptography import x509
from support.prometheus import Prometheus
from support.running import PASSWORD, Exporter, a_record, a_simulator, wait_until, write_config
from support.web_certificates import Certificates

if TYPE_CHECKING:
    from pathlib import Path

JOB = """    scheme: https
    basic_auth: {{username: prom, password_file: {folder}/password}}
    tls_config:
      ca_file: {folder}/ca.pem
      server_name: localhost
{more}"""
CLIENT = """      cert_file: {folder}/client.pem
      key_file: {folder}/client.pem
"""


def served_serial(port: int, client: ssl.SSLContext) -> int:

    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"").serial_number


def test_tls_with_password_and_client_certificate_and_a_renewed_certificate(prometheus: str, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    (tmp_path / "password").write_text(PASSWORD)
    web = tmp_path / "web.yml"
    web.write_text(
        yaml.safe_dump(
            {
                "tls_server_config": {
                    "cert_file": "server.crt",
                    "key_file": "server.key",
                    "client_auth_type": "RequireAndVerifyClientCert",
                    "client_ca_file": "ca.pem",
                    "client_allowed_sans": ["prometheus.example.com"],
                    "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
                    "curve_preferences": ["CurveP256"],
                },
                "basic_auth_users": {"prom": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()},
                "http_server_config": {"http2": True},
                "rate_limit": {"interval": "100ms", "burst": 50},
            }
        )
    )
    scraped, without = tmp_path / "scraped", tmp_path / "without"
    scraped.mkdir()
    without.mkdir()
    with a_simulator({"A": [a_record("pt-1")]}) as platform:
        config = write_config(tmp_path, platform, ["A"])
        with (
            Exporter(config, "--web.config.file", str(web)) as exporter,
            Prometheus(
                prometheus,
                scraped,
                f"127.0.0.1:{exporter.port}",
                more=JOB.format(folder=tmp_path, more=CLIENT.format(folder=tmp_path)),
            ).ready() as server,
            Prometheus(
                prometheus, without, f"127.0.0.1:{exporter.port}", more=JOB.format(folder=tmp_path, more="")
            ) as stranger,
        ):
            assert wait_until(lambda: server.value("count(yunxiao_token_expires_in_seconds)")) == 1
            assert wait_until(lambda: list(stranger.query("up").values())) == [0.0]

            # Prometheus' own connection stays open, a new one gets the new certificate.
            client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            client.load_cert_chain(str(tmp_path / "client.pem"))
            renewed = certificates.renew()
            wait_until(lambda: served_serial(exporter.port, client) == renewed)
            assert "web configuration reloaded" in exporter.output
            refused = 'yunxiao_exporter_http_refused_total{reason="tls_handshake"}'
            assert wait_until(lambda: server.value(refused))
            assert server.value("yunxiao_exporter_web_config_errors_total") == 0
            assert server.value("min_over_time(up[1m])") == 1
        assert 'authentication="basic auth, client certificates"' in exporter.output
