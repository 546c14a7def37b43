"""Starts and ends what tests talk to: simulated platforms, exporter processes, servers from Debian's packages."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests
import yaml

from exporter.platform.yunxiao.simulator.enterprise import Enterprise, TokenRecord
from exporter.platform.yunxiao.simulator.server import Simulator

if TYPE_CHECKING:
    import signal
    import ssl
    from collections.abc import Callable, Mapping, Sequence

# Parts, so that a traceback that quotes this file does not look like a leak.
ADMIN_TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "f00dfeed"
SUCCESSOR = "pt-9z8y7x6w5v4u_" + "5ecre7" + "0fb00ed0"
PASSWORD = "pass" + "w0rd" + "of-the-proxy"
SECRETS = (ADMIN_TOKEN, ADMIN_TOKEN.partition("_")[2], SUCCESSOR, SUCCESSOR.partition("_")[2], PASSWORD)
ROOT = Path(__file__).resolve().parents[2]

EVIDENCE: Path | None = None
_numbers = itertools.count()


def keep(what: str, content: bytes) -> None:
    """Keep something that was shown."""
    if EVIDENCE is not None:
        name = re.sub(r"[^\w.-]+", "_", what)[:150]
        evidence(name).write_bytes(content)


def evidence(name: str) -> Path:
    """A new file for evidence; several workers share the folder."""
    assert EVIDENCE is not None
    return EVIDENCE / f"{os.getpid()}_{next(_numbers):05d}_{name}"


def get(url: str, **options: Any) -> requests.Response:
    """GET, with the body kept as evidence."""
    response = requests.get(url, timeout=10, **options)
    keep(f"GET {url}", str(response.headers).encode() + response.content)
    return response


def wait_until(condition: Callable[[], Any], within: float = 15.0) -> Any:
    """Poll until the condition gives something true; its value."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.05)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def a_simulator(
    tokens: Mapping[str, Sequence[TokenRecord]] | None = None,
    *,
    size: int = 0,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    hosts: frozenset[str] | None = None,
) -> Simulator:
    """A simulated platform whose administrator's token is known to the search for secrets."""
    enterprise = Enterprise(size, base=time.time(), tokens=tokens)
    return Simulator(enterprise, port=port, token=ADMIN_TOKEN, tls=tls, hosts=hosts)


def a_record(
    token_id: str = "pt-1",
    *,
    expires_in: float | None = 86_400.0,
    name: str = "ci",
    permissions: Sequence[str] = ("base_user_read",),
) -> TokenRecord:
    now = float(int(time.time()))
    return TokenRecord(token_id, name, tuple(permissions), now - 3600, None if expires_in is None else now + expires_in)


def write_config(folder: Path, simulator: Simulator | str, user_ids: Sequence[str], **changes: Any) -> Path:
    """A configuration file with its token file; `changes` go into the organization, those of `poll` into poll."""
    (folder / "token").write_text(ADMIN_TOKEN + "\n")
    organization = {
        "name": "acme",
        "endpoint": simulator if isinstance(simulator, str) else simulator.url,
        "token_file": "token",
        "limits": {"requests_per_second": None, "concurrency": 8},
        "users": {"static": [{"id": user} for user in user_ids]},
    }
    poll = {"interval": "1s", "timeout": "1s", "spread": False} | changes.pop("poll", {})
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({"poll": poll, "organizations": [organization | changes]}, allow_unicode=True))
    return file


class Running:
    """A child process that is ended by its process id; its output is kept as evidence."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        self.log = evidence(f"{Path(arguments[0]).name}_process.log")
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                arguments, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd
            )

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within: float = 10.0) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(within)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Exporter(Running):
    """The daemon as a process of its own, logging at debug level."""

    def __init__(self, config: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            *(sys.executable, "-m", "exporter", "serve", "--config.file", str(config)),
            *("--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "debug", *arguments),
        ]
        super().__init__(command, env)

    def ready(self) -> Self:
        """Wait for the first sweep."""
        wait_until(lambda: self.answers("/-/ready"))
        return self

    def ready_below(self, prefix: str) -> Self:
        """The same with a route prefix."""
        wait_until(lambda: self.answers(f"{prefix}/-/ready"))
        return self

    def answers(self, path: str) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return get(self.url + path).status_code == 200
        except requests.ConnectionError:
            return False

    def samples(self) -> dict[str, float]:
        """The text of `/metrics`, value by series."""
        return samples_of(get(f"{self.url}/metrics").text)


def samples_of(text: str) -> dict[str, float]:
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {series: float(value) for series, _, value in pairs}


def command(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the exporter's commands to its end; its output is kept as evidence."""
    result = subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )
    keep("command " + " ".join(arguments[:1]), (result.stdout + result.stderr).encode())
    return result
