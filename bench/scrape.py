"""The cost of a scrape: rendering and compression in the process, then complete scrapes by the real Prometheus."""

from __future__ import annotations

import collections
import contextlib
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from support.collector import StateCollector

from bench.fleet import CONFIG, WITHOUT_RELATIVE, a_store, an_exposition
from bench.table import Row, best_of, markdown
from exporter.common.clock import SystemClock
from exporter.metrics.deflate import compressed
from exporter.metrics.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.metrics.exposition import Exposition

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_GO_SOURCE = Path(__file__).parent / "client_golang" / "main.go"
_GO_PATH = Path("/usr/share/gocode")
_GO_LIBRARY = _GO_PATH / "src/github.com/prometheus/client_golang"
"""Debian's package golang-github-prometheus-client-golang-dev."""
_FIRST_PORT = 18_100
_SCRAPES = 6


class _Moving:
    """A clock that advances a second per call, so that no body is reused for the next scrape."""

    def __init__(self) -> None:
        self.time = time.time()

    def now(self) -> float:
        self.time += 1
        return self.time

    def monotonic(self) -> float:
        return time.monotonic()


def rendering(users: int) -> str:
    """Tables of rendering and compression in the process."""
    store, telemetry = a_store(users), Telemetry()
    exposition = an_exposition(store, telemetry)
    exposition._clock = _Moving()  # noqa: SLF001 - the bench moves the time along
    stock = CollectorRegistry()
    stock.register(StateCollector(store, lambda: CONFIG, SystemClock()))
    absolute = an_exposition(store, Telemetry(), WITHOUT_RELATIVE)
    absolute._clock = _Moving()  # noqa: SLF001 - as above
    body = exposition.scrape("", "").content
    series = sum(not line.startswith(b"#") for line in body.splitlines())
    text = [
        Row(
            "ours, as Prometheus asks", _best_scrape(exposition, "gzip"), f"{series:,} series, {len(body) / 1e6:.0f} MB"
        ),
        Row(
            "ours, text without compression",
            _best_scrape(exposition, ""),
            "compressed text is decompressed piece by piece",
        ),
        Row("ours, as Prometheus asks, `relative: false`", _best_scrape(absolute, "gzip")),
        Row("prometheus_client `generate_latest`, text", best_of(2, lambda: generate_latest(stock))),
        Row("prometheus_client `generate_latest`, OpenMetrics", best_of(2, lambda: generate_openmetrics(stock))),
        Row("copying a static body", best_of(5, lambda: bytes(bytearray(body))), "lower limit"),
    ]
    packed = best_of(5, lambda: compressed(body))
    rows = [
        Row("ours (isal, level 1)", packed, f"{exposition.scrape('', 'gzip').size / 1e6:.1f} MB"),
        Row("zlib, level 1", best_of(2, lambda: gzip.compress(body, 1))),
        Row("zlib, level 9, as prometheus_client", best_of(1, lambda: gzip.compress(body, 9))),
    ]
    title = f"a scrape of {users:,} users"
    return markdown(f"Rendering {title}", "seconds", text) + "\n" + markdown(f"Compressing {title}", "seconds", rows)


def _best_scrape(exposition: Exposition, encoding: str) -> float:
    """The shortest time until the last piece of a body is ready to be sent."""
    return best_of(5, lambda: collections.deque(exposition.scrape(_OPENMETRICS, encoding).pieces(), maxlen=0))


def scraping(users: int) -> str:
    """A table of complete scrapes, measured by the real Prometheus if it is installed."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = {}
        for number, kind in enumerate(("ours", "static", "ours absolute", "static absolute", "stock")):
            ports[kind.replace(" ", "-")] = _FIRST_PORT + number
            server, *absolute = kind.split()
            command = [sys.executable, "-m", "bench.serve", server, str(users), str(_FIRST_PORT + number), *absolute]
            stack.enter_context(running(command))
        for port in ports.values():
            wait_for(port)
        if (go := shutil.which("go")) is not None and _GO_LIBRARY.is_dir():
            ports["client_golang"] = _FIRST_PORT + len(ports)
            stack.enter_context(_golang(go, folder, ports["ours"], ports["client_golang"]))
            wait_for(ports["client_golang"])
        if (prometheus := shutil.which("prometheus")) is None:
            return "Complete scrapes were not measured, because Prometheus is not installed.\n"
        durations = stack.enter_context(_prometheus(prometheus, folder, ports))
    names = {
        "ours": "ours",
        "stock": "prometheus_client's own server",
        "static": "a static body",
        "ours-absolute": "ours, `relative: false`",
        "static-absolute": "a static body, `relative: false`",
        "client_golang": "an exporter on client_golang",
    }
    notes = dict.fromkeys(ports, "") | {kind: "lower limit" for kind in ports if "static" in kind}
    for kind, goal in (("ours", 3), ("ours-absolute", 1.5)):
        ratio = durations[kind] / durations[kind.replace("ours", "static")]
        notes[kind] = f"{ratio:.2f} times the static body; goal: {goal}"
    rows = [Row(names[kind], durations[kind], notes[kind]) for kind in ports]
    return markdown(f"`scrape_duration_seconds` of {users:,} users, shortest of {_SCRAPES}", "seconds", rows)


@contextlib.contextmanager
def running(command: list[str], **more: str) -> Iterator[None]:
    """Run a server until the end of the block."""
    process = subprocess.Popen(command, env={**os.environ, **more}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    """Wait until a server answers scrapes."""
    end = time.monotonic() + 120
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
        except requests.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


@contextlib.contextmanager
def _golang(go: str, folder: Path, source: int, port: int) -> Iterator[None]:
    """The exporter in Go with the same samples about users, built with Debian's Go packages."""
    text = requests.get(f"http://127.0.0.1:{source}/metrics", timeout=60).text
    lines = [line for line in text.splitlines(keepends=True) if "yunxiao_user" in line or "yunxiao_token" in line]
    (folder / "samples.txt").write_text("".join(lines), encoding="utf-8")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(_GO_PATH), "GOCACHE": str(folder / "cache")}
    binary = folder / "peer"
    subprocess.run([go, "build", "-o", str(binary), str(_GO_SOURCE)], env=environment, check=True)
    with running([str(binary), str(folder / "samples.txt"), f"127.0.0.1:{port}"]):
        yield


@contextlib.contextmanager
def _prometheus(executable: str, folder: Path, ports: dict[str, int]) -> Iterator[dict[str, float]]:
    """The shortest scrape duration of each server, after Prometheus has scraped each server several times."""
    jobs = "".join(
        f"  - job_name: {kind}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        for kind, port in ports.items()
    )
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 10s, scrape_timeout: 10s}}\nscrape_configs:\n{jobs}", encoding="utf-8"
    )
    port = _FIRST_PORT + 50
    command = [
        executable,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with running(command):
        time.sleep(10 * _SCRAPES + 5)
        query = f"min_over_time(scrape_duration_seconds[{10 * _SCRAPES + 5}s])"
        answer = requests.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}, timeout=60).json()
        yield {one["metric"]["job"]: float(one["value"][1]) for one in answer["data"]["result"]}
