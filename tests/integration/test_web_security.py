"""TLS and basic auth from a file in the format of exporter-toolkit."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
import requests
import trustme
import yaml
from support.running import PASSWORD, Exporter, a_simulator, command, wait_until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"A": []}) as simulator:
        yield simulator


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def web_file(folder: Path, **content: Any) -> Path:
    file = folder / "web.yml"
    file.write_text(yaml.safe_dump(content))
    return file


def a_hash() -> str:
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def test_basic_auth(platform: Simulator, tmp_path: Path) -> None:
    web = web_file(tmp_path, basic_auth_users={"prom": a_hash()})
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        url = f"{exporter.url}/metrics"

        def answered() -> bool:
            try:
                return requests.get(url, timeout=5).status_code == 401
            except requests.ConnectionError:
                return False

        wait_until(answered)
        refused = requests.get(url, timeout=5)
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert "yunxiao" not in refused.text
        for auth in (("prom", "wrong"), ("nobody", PASSWORD), ("", "")):
            assert requests.get(url, auth=auth, timeout=5).status_code == 401
        for _ in range(2):
            assert requests.get(url, auth=("prom", PASSWORD), timeout=5).status_code == 200
        odd = {"Authorization": "Basic %%%"}
        assert requests.get(url, headers=odd, timeout=5).status_code == 401
        assert PASSWORD not in exporter.output


def test_a_client_cannot_name_another_address_to_escape_the_limit(platform: Simulator, tmp_path: Path) -> None:
    web = web_file(tmp_path, basic_auth_users={"prom": a_hash()})
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        wait_until(lambda: exporter.answers("/metrics") or "msg=listening" in exporter.output)

        def status(number: int) -> int:
            forwarded = {"X-Forwarded-For": f"192.0.2.{number}"}
            return session.get(
                f"{exporter.url}/metrics", auth=("prom", f"wrong{number}"), headers=forwarded, timeout=5
            ).status_code

        with requests.Session() as session:
            # 60 at once, as docs/web.md says, and some more while they are sent.
            statuses = list(itertools.takewhile(lambda code: code == 401, map(status, range(90))))
        assert 60 <= len(statuses) < 90


def test_tls_and_client_certificates(platform: Simulator, tmp_path: Path, authority: trustme.CA) -> None:
    server = authority.issue_cert("localhost")
    server.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = authority.issue_cert("prometheus")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    web = web_file(
        tmp_path,
        tls_server_config={
            "cert_file": "cert.pem",
            "key_file": "key.pem",
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": "ca.pem",
        },
    )
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        url = f"https://localhost:{exporter.port}/-/healthy"
        trusted: dict[str, Any] = {"verify": str(tmp_path / "ca.pem"), "timeout": 5}

        def healthy() -> bool:
            try:
                return requests.get(url, cert=str(tmp_path / "client.pem"), **trusted).status_code == 200
            except requests.ConnectionError:
                return False

        wait_until(healthy)
        with pytest.raises(requests.ConnectionError):
            requests.get(url, **trusted)
        time.sleep(0.1)
        assert "Traceback" not in exporter.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"basic_auth_users": {"prom": "plain-text"}}, "basic_auth_users.prom: is not a bcrypt hash"),
        ({"basic_auth_users": {"prom": 12345678901}}, "basic_auth_users.prom: is not a bcrypt hash"),
        ({"tls_server_config": {"cert_file": "x"}}, "tls_server_config.key_file: is missing"),
        ({"tls_server_config": {"cert_file": "x", "key_file": "y"}}, "x cannot be read: No such file"),
        ({"http_server_config": {"http3": True}}, "http_server_config.http3: unknown key; did you mean http2?"),
        (
            {
                "tls_server_config": {
                    "cert_file": "x",
                    "key_file": "y",
                    "client_auth_type": "RequireAndVerifyClientCert",
                }
            },
            "client_auth_type: RequireAndVerifyClientCert needs the authority that issues the client certificates",
        ),
    ],
)
def test_an_invalid_file_is_reported_and_prevents_the_start(
    platform: Simulator, tmp_path: Path, content: dict[str, Any], words: str
) -> None:
    config = write_config(tmp_path, platform, "A")
    result = command("serve", "--config.file", str(config), "--web.config.file", str(web_file(tmp_path, **content)))
    assert result.returncode == 1
    assert words in result.stderr
    assert "plain-text" not in result.stderr
    assert "12345678901" not in result.stderr
    assert platform.requests() == 0
