"""A daemon as it runs in production, beside the goals for 100,000 users: memory, answers, CPU at rest, restart.

usage: python -m bench.daemon USERS full|lean

It polls a simulated platform, sends its alerts to an Alertmanager that accepts them, and keeps its state in a file.
With `lean`, without relative series, without those of tokens that expire later than in 90 days, and without alerts of
its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests
import yaml

from bench.scrape import running
from bench.sweep import platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PORT, _ALERTMANAGER_PORT = 18_170, 18_171
_URL = f"http://127.0.0.1:{_PORT}"
_AS_PROMETHEUS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
_POLICIES = {
    "max_lifetime": {"limit": "300d"},
    "never_expires": "forbid",
    "forbidden_permissions": {"permissions": ["base_user_read_write"]},
    "max_tokens_per_user": {"limit": 4},
}
_LISTS = ("tokens", "tokens?state=expired", "tokens?sort=user", "tokens?sort=token", "api/v1/tokens?limit=100")
_AT_REST = 180
"""Seconds: all firing alerts are sent again three times. In one minute it could be once or twice."""
_LONGEST_SWEEP = 1200
"""Seconds."""
_QUIET = 9
"""Times two seconds: alerts are evaluated every 15 seconds."""
_SETTLED = 0.15
"""Cores: below, what follows a sweep or a start is done."""
_ACCEPTS = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""
_PROBES = """
import sys, time, urllib.request
while True:
    begun = time.perf_counter()
    try:
        urllib.request.urlopen("{url}/-/healthy", timeout=5).read()
    except OSError:
        pass
    else:
        print(time.perf_counter() - begun, flush=True)
    time.sleep(0.1)
"""


@dataclass(frozen=True, slots=True)
class _Figure:
    """What was measured, and what it may be with 100,000 users; None if nothing is required."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def row(self) -> str:
        """Its line of the table."""
        goal = "" if self.goal is None else f"{self.goal:g} {self.unit}"
        return f"| {self.what} | {self.value:.3g} {self.unit} | {goal} | {self.note} |"


def daemons(users: int) -> str:
    """The tables of a daemon with every series and alerts of its own, and of a lean one."""
    return f"{_table(users, lean=False)}\n{_table(users, lean=True)}"


def _table(users: int, *, lean: bool) -> str:
    title = "without alerts, `relative: false`, `expiring_within: 90d`" if lean else "every series, policies, alerts"
    lines = [f"### A daemon with {users:,} users: {title}", "", "| | measured | goal for 100,000 users | |"]
    return "\n".join([*lines, "|---|---:|---:|---|", *(one.row for one in _measured(users, lean=lean))]) + "\n"


def _measured(users: int, *, lean: bool) -> list[_Figure]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(platform(users))
        _configure(folder, lean=lean)
        stack.enter_context(running([sys.executable, "-c", _ACCEPTS.format(port=_ALERTMANAGER_PORT)]))
        found: list[_Figure] = []
        with _Probes() as healthy:
            with _Daemon(folder) as daemon:
                cpu = daemon.cpu / users * 1000
                found.append(_Figure("CPU of a user's poll and of all that follows", cpu, "ms"))
                found += _answers(daemon, lean=lean)
                healthy.pause()
                found += _at_rest(daemon, lean=lean)
                healthy.go_on()
            size = sum(file.stat().st_size for file in folder.glob("state.db*")) / 1e6
            found.append(_Figure("state file", size, "MB", None if lean else 60))
            with _Daemon(folder) as daemon:
                found.append(_Figure("ready after a restart", daemon.ready_after, "s", 4))
                begun = time.perf_counter()
                _get("metrics")
                note = "with the `scrape_timeout` for this size"
                found.append(_Figure("a scrape that comes right then", time.perf_counter() - begun, "s", 30, note))
                daemon.settle()
                found.append(_Figure("memory after the restart", daemon.resident, "MB", 450 if lean else 1000))
        found += healthy.figures()
        return found


def _configure(folder: Path, *, lean: bool) -> None:
    file = folder / "config.yaml"
    config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    (organization,) = config["organizations"]
    organization["limits"]["requests_per_second"] = None
    config["poll"] = {"interval": "1d", "stale_after": "3d", "timeout": "30s", "spread": False}
    config["metrics"] = {"max_series": 10_000_000}
    config["storage"] = {"path": "state.db"}
    config["policies"] = _POLICIES
    if lean:
        config["metrics"] |= {"relative": False, "expiring_within": "90d"}
    else:
        config["alerting"] = {"alertmanagers": [{"url": f"http://127.0.0.1:{_ALERTMANAGER_PORT}"}]}
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def _answers(daemon: _Daemon, *, lean: bool) -> Iterator[_Figure]:
    daemon.settle()
    before, times = daemon.cpu, []
    for _ in range(5):
        times.append(_timed(lambda: _get("metrics")))
        # In another second, so that no body is used twice.
        time.sleep(1.1)
    size = len(_get("metrics")) / 1e6
    yield _Figure("scrape, OpenMetrics with gzip", statistics.median(times), "s", note=f"{size:.0f} MB")
    yield _Figure("CPU of a scrape", (daemon.cpu - before) / 6, "s")
    page = statistics.median(_timed(lambda: _get("")) for _ in range(10))
    yield _Figure("first page", page * 1000, "ms", 50)
    lists = {path: statistics.median(_timed(partial(_get, path)) for _ in range(10)) for path in _LISTS}
    slowest = max(lists, key=lists.__getitem__)
    yield _Figure("a page of 100 tokens, slowest order or filter", lists[slowest] * 1000, "ms", 50, f"`/{slowest}`")
    yield _Figure("memory after scrapes and pages", daemon.resident, "MB", 450 if lean else 1000)


def _at_rest(daemon: _Daemon, *, lean: bool) -> Iterator[_Figure]:
    daemon.settle()
    before = daemon.cpu
    time.sleep(_AT_REST)
    used = (daemon.cpu - before) / _AT_REST * 100
    note = "" if lean else "sends all firing alerts again"
    yield _Figure("CPU at rest", used, "% of a core", 1, note)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _get(path: str) -> bytes:
    """The body as it is sent."""
    with requests.get(f"{_URL}/{path}", headers=_AS_PROMETHEUS, timeout=120, stream=True) as response:
        response.raise_for_status()
        return bytes(response.raw.read(decode_content=False))


class _Daemon:
    """A daemon, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        self.ready_after = 0.0
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(folder / "config.yaml")]
        begun = time.perf_counter()
        self._log = (folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*command, "--web.listen-address", f"127.0.0.1:{_PORT}"], stdout=self._log, stderr=self._log
        )
        while not self._is_ready():
            if time.perf_counter() - begun > _LONGEST_SWEEP or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError("the daemon does not become ready")
            time.sleep(0.1)
        self.ready_after = time.perf_counter() - begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    @staticmethod
    def _is_ready() -> bool:
        try:
            return requests.get(f"{_URL}/-/ready", timeout=5).ok
        except requests.RequestException:
            return False

    @property
    def cpu(self) -> float:
        """Seconds of CPU since the start."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident(self) -> float:
        """Megabytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def settle(self) -> None:
        """Wait until it does little, for two minutes at most."""
        quiet = 0
        for _ in range(60):
            before = self.cpu
            time.sleep(2)
            quiet = quiet + 1 if self.cpu - before < 2 * _SETTLED else 0
            if quiet == _QUIET:
                return


class _Probes:
    """Asks for `/-/healthy` ten times a second, in a process of its own."""

    def __enter__(self) -> Self:
        self._found = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen([sys.executable, "-c", _PROBES.format(url=_URL)], stdout=self._found)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Ask nothing, so that the answers cost nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Ask again."""
        self._process.send_signal(signal.SIGCONT)

    def figures(self) -> Iterator[_Figure]:
        """Half of the answers, nearly all, and all came within these times."""
        self._found.seek(0)
        times = sorted(float(line) * 1000 for line in self._found)
        self._found.close()
        yield _Figure("`/-/healthy` meanwhile, median", statistics.median(times), "ms", note=f"{len(times)} answers")
        yield _Figure("`/-/healthy` meanwhile, 99 %", times[len(times) * 99 // 100], "ms")
        yield _Figure("`/-/healthy` meanwhile, longest", times[-1], "ms", 100)


if __name__ == "__main__":
    print(_table(int(sys.argv[1]), lean=sys.argv[2] == "lean"))
