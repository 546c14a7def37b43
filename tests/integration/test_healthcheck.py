"""The health check against running exporters, whatever protects them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
import yaml
from support.running import PASSWORD, ROOT, Exporter, a_simulator, command, free_port, wait_until, write_config
from support.web_certificates import Certificates

from exporter.web.healthcheck import Target, TargetError, check, protection_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

PAIR = {"cert_file": "server.crt", "key_file": "server.key"}


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"A": []}) as simulator:
        yield simulator


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def web_file(folder: Path, **content: Any) -> Path:
    file = folder / "web.yml"
    file.write_text(yaml.safe_dump(content))
    return file


def lines_of(exporter: Exporter, *, ready: bool, web: Path | None = None) -> tuple[bool, str]:
    health = check(Target(f"127.0.0.1:{exporter.port}", web), ready=ready, timeout=5.0)
    return health.fine, health.line


def wait_for(exporter: Exporter, web: Path | None = None) -> None:
    wait_until(lambda: lines_of(exporter, ready=False, web=web)[0])


def test_command_and_module_follow_health_and_readiness_below_a_prefix(platform: Simulator, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/web.sock"
    flags = ("--web.external-url", "https://x.example/a/b/", "--web.listen-address", path)
    with Exporter(write_config(tmp_path, platform, "A"), *flags) as exporter:
        exporter.ready_below("/a/b")
        address = f"127.0.0.1:{exporter.port}"
        shown = command("healthcheck", "--web.listen-address", address)
        assert (shown.returncode, shown.stdout) == (0, "healthy\n")
        module = subprocess.run(
            [sys.executable, "-m", "exporter.web.healthcheck", "--ready"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={"YUNXIAO_TOKEN_EXPORTER_WEB_LISTEN_ADDRESS": address},
        )
        assert (module.returncode, module.stdout) == (0, "ready\n")
        assert check(Target(path), ready=True, timeout=5.0).line == "ready"
    stopped = command("healthcheck", "--ready", env={"YUNXIAO_TOKEN_EXPORTER_WEB_LISTEN_ADDRESS": address})
    assert (stopped.returncode, stopped.stdout) == (1, f"no answer from {address}: Connection refused\n")
    assert not check(Target(path), ready=False, timeout=1.0).fine


def test_an_exporter_that_knows_no_users_yet_is_healthy_but_not_ready(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    config = write_config(tmp_path, nowhere, "A", users={"discover": {"source": "users"}})
    with Exporter(config) as exporter:
        wait_for(exporter)
        fine, line = lines_of(exporter, ready=True)
        assert not fine
        assert line.startswith("status 503: ")


def test_a_password_hides_readiness_unless_health_is_open(
    platform: Simulator, tmp_path: Path, certificates: Certificates
) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web = web_file(certificates.folder, tls_server_config=PAIR, basic_auth_users={"prom": hashed})
    config = write_config(tmp_path, platform, "A")
    with Exporter(config, "--web.config.file", str(web)) as exporter:
        wait_for(exporter, web)
        expected = "the exporter answers, but asks for a password; for a full check, start it with --web.open-health"
        assert lines_of(exporter, ready=False, web=web) == (True, expected)
        assert lines_of(exporter, ready=True, web=web) == (False, expected)
    with Exporter(config, "--web.config.file", str(web), "--web.open-health") as exporter:
        wait_until(lambda: lines_of(exporter, ready=True, web=web) == (True, "ready"))


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_an_exporter_that_asks_for_a_certificate_is_alive(
    platform: Simulator, tmp_path: Path, certificates: Certificates, version: str
) -> None:
    asking = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
    web = web_file(certificates.folder, tls_server_config=PAIR | asking | {"max_version": version})
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        wait_for(exporter, web)
        fine, line = lines_of(exporter, ready=False, web=web)
        assert (fine, "asks for a client certificate" in line) == (True, True)
    # Nothing listens there any more: a certificate is not the reason.
    assert lines_of(exporter, ready=False, web=web)[0] is False


@pytest.mark.parametrize("asking", [{}, {"client_auth_type": "RequireAnyClientCert"}])
def test_a_web_configuration_that_became_invalid_or_lost_its_tls_makes_no_exporter_unhealthy(
    platform: Simulator, tmp_path: Path, certificates: Certificates, asking: dict[str, str]
) -> None:
    web = web_file(certificates.folder, tls_server_config=PAIR | asking)
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        wait_for(exporter, web)
        for content in ("a: [", "when: 2026-13-45", "[" * 9999, "{}", None):
            if content is None:
                web.unlink()
            else:
                web.write_text(content)
            fine, line = lines_of(exporter, ready=False, web=web)
            assert fine
            assert ("asks for a client certificate" in line) == bool(asking)


def test_a_web_configuration_that_gained_tls_makes_no_exporter_unhealthy(
    platform: Simulator, tmp_path: Path, certificates: Certificates
) -> None:
    web = web_file(certificates.folder)
    with Exporter(write_config(tmp_path, platform, "A"), "--web.config.file", str(web)) as exporter:
        wait_for(exporter, web)
        web_file(certificates.folder, tls_server_config=PAIR)
        assert lines_of(exporter, ready=False, web=web) == (True, "healthy")


def test_a_web_configuration_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "web.yml")
    shown = command(
        *("healthcheck", "--timeout", "1", "--web.listen-address", f"127.0.0.1:{free_port()}"),
        *("--web.config.file", str(tmp_path / "web.yml")),
    )
    assert shown.returncode == 1
    assert shown.stdout.endswith(f"Connection refused; {tmp_path}/web.yml is not a regular file\n")


def test_a_server_that_never_ends_its_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            link, _ = server.accept()
            with link:
                for _ in range(50):
                    try:
                        link.sendall(b"x")
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        started = time.monotonic()
        health = check(Target(f"127.0.0.1:{server.getsockname()[1]}"), ready=False, timeout=0.4)
        assert (health.fine, health.line) == (False, "no answer within 0.4 s")
        assert time.monotonic() - started < 1.5
    thread.join(5)


def test_what_cannot_be_checked_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"web\.yml cannot be read: No such file"):
        protection_of(tmp_path / "web.yml")
    (tmp_path / "web.yml").write_text("a: [")
    with pytest.raises(TargetError, match=r"web\.yml is not valid YAML"):
        protection_of(tmp_path / "web.yml")
    with pytest.raises(TargetError, match="not a valid listen address"):
        check(Target("nonsense"), ready=False, timeout=1.0)


def test_another_program_on_the_port_is_not_healthy() -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        try:
            wait_until(lambda: "status 404" in check(Target(f"127.0.0.1:{port}"), ready=False, timeout=5.0).line)
        finally:
            other.terminate()
