"""VictoriaMetrics for tests: stores samples, and lets vmalert evaluate rules over them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from support.histories import MINUTE, shown
from support.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.histories import Expected, History


@dataclass(frozen=True)
class VictoriaMetrics:
    """A running server.

    Attributes:
        url: its address.
        vmalert: the program that evaluates rules.
    """

    url: str
    vmalert: str

    def write(self, history: History) -> None:
        """Store the samples of a history. It has no markers of stale series; the rules look back anyway."""
        lines = [
            f"{series} {value} {round(history.at(minute) * 1000)}"
            for series, samples in history.series.items()
            for minute, value in samples.items()
            if value == value  # noqa: PLR0124 - NaN marks a stale series
        ]
        requests.post(
            f"{self.url}/api/v1/import/prometheus", data="\n".join(lines).encode(), timeout=30
        ).raise_for_status()
        self._flush()

    def write_now(self, samples: Mapping[str, float]) -> None:
        """Store samples with the present time."""
        text = "\n".join(f"{series} {value}" for series, value in samples.items())
        requests.post(f"{self.url}/api/v1/import/prometheus", data=text.encode(), timeout=30).raise_for_status()
        self._flush()

    @contextlib.contextmanager
    def evaluating(self, rules: Path, alertmanager: str) -> Iterator[None]:
        """Evaluate rules every second, and send alerts."""
        command = [self.vmalert, f"-rule={rules}", f"-datasource.url={self.url}", f"-notifier.url={alertmanager}"]
        command += ["-evaluationInterval=1s", f"-httpListenAddr=127.0.0.1:{free_port()}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    def replay(self, rules: Path, history: History) -> None:
        """Evaluate rules at every minute of a history, and store which alerts fired."""
        first, last = (
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(history.at(at))) for at in (0, history.minutes - 1)
        )
        command = [self.vmalert, f"-rule={rules}", f"-datasource.url={self.url}", f"-remoteWrite.url={self.url}"]
        command += [f"-replay.timeFrom={first}", f"-replay.timeTo={last}", "-replay.rulesDelay=0s"]
        command += ["-replay.disableProgressBar", "-evaluationInterval=1m", "-datasource.queryStep=1m"]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr
        self._flush()

    def alerts(self, history: History) -> Expected:
        """The alerts that fired, by minute."""
        parameters = {
            "match[]": 'ALERTS{alertstate="firing"}',
            "start": f"{history.at(0):.0f}",
            "end": f"{history.at(history.minutes):.0f}",
        }
        answer = requests.get(f"{self.url}/api/v1/export", params=parameters, timeout=30)
        answer.raise_for_status()
        found: Expected = {}
        for line in answer.text.splitlines():
            one = json.loads(line)
            for at in one["timestamps"]:
                found.setdefault(round((at / 1000 - history.base) / MINUTE), set()).add(shown(one["metric"]))
        return found

    def _flush(self) -> None:
        requests.get(f"{self.url}/internal/force_flush", timeout=30).raise_for_status()


@contextlib.contextmanager
def running(server: str, vmalert: str, port: int, folder: Path) -> Iterator[VictoriaMetrics]:
    """Start a server on loopback."""
    one = VictoriaMetrics(f"http://127.0.0.1:{port}", vmalert)
    command = [server, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=10y"]
    command += ["-loggerLevel=ERROR", "-search.latencyOffset=0s", "-search.disableCache"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                requests.get(f"{one.url}/health", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield one
    finally:
        process.terminate()
        process.wait(30)
