"""The memory of the state of many users and of their series, in a process of its own.

usage: python -m bench.memory USERS [absolute|lean]
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

from bench.fleet import CONFIG, LEAN, WITHOUT_RELATIVE, a_store, an_exposition
from bench.table import Row, markdown
from exporter.metrics.telemetry import Telemetry

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_SCRAPES = 3


def memory(users: int) -> str:
    """A table of resident memory: the state alone, then with the text of all series and after scrapes."""
    every, absolute, lean = _measured(users), _measured(users, "absolute"), _measured(users, "lean")
    rows = [
        Row("tokens and users alone", every["state"], "lower limit"),
        Row("with every series, after scrapes", every["scraped"]),
        Row("with `relative: false`, after scrapes", absolute["scraped"]),
        Row("and with `expiring_within: 90d`", lean["scraped"]),
        Row("tokens, users, and the text of every series as it is", every["state"] + every["text"], "computed"),
    ]
    return markdown(f"Memory of {users:,} users", "MB", rows)


def _measured(users: int, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.memory", str(users), *options]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _resident() -> float:
    """Resident megabytes of this process."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def _measure(users: int, *options: str) -> None:
    """Print resident megabytes, without those that the process had at its start."""
    gc.collect()
    before = _resident()
    store = a_store(users)
    gc.collect()
    state = _resident() - before
    configs = {"absolute": WITHOUT_RELATIVE, "lean": LEAN}
    exposition = an_exposition(store, Telemetry(), configs[options[0]] if options else CONFIG)
    exposition.prepare_all()
    for _ in range(_SCRAPES):
        body = exposition.scrape(_OPENMETRICS, "gzip")
        for _piece in body.pieces():
            pass
    text = exposition.scrape(_OPENMETRICS, "").size / 2**20
    print(json.dumps({"state": state, "scraped": _resident() - before, "text": text}))


if __name__ == "__main__":
    _measure(int(sys.argv[1]), *sys.argv[2:])
