"""Memory over time of a daemon whose platform is unreachable: it must not grow."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

from soak.bounds import MB
from soak.daemon import Daemon
from soak.http import ask
from soak.ports import free_port
from soak.secrets import SecretSearch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RATE = 50
_WARM_UP = 300.0
_ALLOWED = 5 * MB
_ROW = 60.0
_SETTLED = 10
"""Number of samples of which the lowest counts, since memory may be released a moment later."""


def platform_away(folder: Path, users: int, seconds: float, say: Callable[[str], None]) -> int:
    """Run a daemon against a closed port and print its memory every minute; returns 0 if it did not grow.

    Args:
        folder: for configuration and log.
        users: number of users.
        seconds: duration of the run.
        say: prints a line.
    """
    warm_up = min(_WARM_UP, seconds / 2)
    daemon = Daemon("alone", folder, {}, SecretSearch(), say)
    (folder / "token").write_text("pt-0_0\n", encoding="ascii")
    section = {
        "poll": {"interval": "1m", "timeout": "5s", "stale_after": "1h", "spread": False},
        "organizations": [
            {
                "name": "away",
                "endpoint": f"http://127.0.0.1:{free_port()}",
                "token_file": "token",
                "limits": {"requests_per_second": _RATE, "concurrency": 32},
                "users": {"static": [{"id": f"user-{number}"} for number in range(users)]},
            }
        ],
    }
    daemon.config.write_text(json.dumps(section), encoding="ascii")
    daemon.start()
    try:
        daemon.wait_for("/-/healthy", 30)
        return _measure(daemon, users, seconds, warm_up, say)
    finally:
        if daemon.pid is not None:
            daemon.end(signal.SIGTERM, 10)


def _measure(daemon: Daemon, users: int, seconds: float, warm_up: float, say: Callable[[str], None]) -> int:
    started = time.monotonic()
    row = 0.0
    first: float | None = None
    recent: list[float] = []
    say(f"{users} users, {_RATE} requests per second, platform unreachable")
    say(f"{'minute':>7} {'RSS MB':>9} {'requests':>9} {'growth MB':>10}")
    while (at := time.monotonic() - started) < seconds + 1:
        memory = daemon.measure()[0]
        recent = [*recent, memory][-_SETTLED:]
        if first is None and at >= warm_up:
            first = min(recent)
        if at >= row:
            row += min(_ROW, seconds / 4)
            growth = "" if first is None else f"{(min(recent) - first) / MB:.2f}"
            say(f"{at / 60:7.1f} {min(recent) / MB:9.2f} {_requests(daemon):9.0f} {growth:>10}")
        time.sleep(1)
    grown = min(recent) - (first or 0.0)
    say(f"growth after the first {warm_up / 60:.1f} minutes: {grown / MB:.2f} MB, limit {_ALLOWED / MB:.0f} MB")
    return 0 if grown < _ALLOWED else 1


def _requests(daemon: Daemon) -> float:
    text = ask(daemon.port, "/metrics", timeout=30).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("yunxiao_api_errors_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
