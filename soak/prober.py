"""Requests `/-/healthy` twice a second from a separate process, so that the soak test's own work causes no delay.

usage: python -m soak.prober NAME=PORT=FILE…, where the file contains the daemon's process id

Two things are the machine's share of a delay: the time that a trivial server in another process needs for an answer at
the same time, and the time for which the daemon's threads were ready to run while other processes had the processors.
Prints one JSON object for each probe with the larger of the two; times are those of the machine's monotonic clock.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from pathlib import Path

from soak.http import ask
from soak.waits import since, waits

_EVERY = 0.5
_PATIENCE = 10.0
_LAG_EVERY = 0.05


class Lag:
    """Continuously measures how long a trivial server takes to answer."""

    def __init__(self, port: int) -> None:
        # Guards the measurements, as pairs of start and end; the last one may be in progress.
        self._lock = threading.Lock()
        self._measured: deque[tuple[float, float]] = deque(maxlen=400)
        self._begun: float | None = None
        self._connection = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self._run, daemon=True).start()

    def between(self, start: float, end: float) -> float:
        """The longest time of an answer in this period."""
        with self._lock:
            measured = [*self._measured]
            if self._begun is not None:
                measured.append((self._begun, end))
        return max((min(over, end) - max(begin, start) for begin, over in measured), default=0.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._begun = time.monotonic()
            self._connection.sendall(b"x")
            self._connection.recv(1)
            with self._lock:
                self._measured.append((self._begun, time.monotonic()))
                self._begun = None
            time.sleep(_LAG_EVERY)


def main(targets: list[str]) -> None:
    """Probe until stdin ends."""
    server = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if not child:
        _echo(server)
    lag = Lag(server.getsockname()[1])
    server.close()
    printing = threading.Lock()
    for target in targets:
        name, port, file = target.split("=", 2)
        threading.Thread(target=_probe, args=(name, int(port), Path(file), lag, printing), daemon=True).start()
    with contextlib.suppress(OSError):
        while sys.stdin.buffer.read(1):
            pass
    os.kill(child, signal.SIGKILL)
    os._exit(0)


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with contextlib.suppress(OSError):
        while data := connection.recv(1):
            connection.sendall(data)
    os._exit(0)


def _waits(pid_file: Path) -> dict[str, float]:
    with contextlib.suppress(OSError):
        return waits(pid_file.read_text(encoding="ascii"))
    return {}


def _probe(name: str, port: int, pid_file: Path, lag: Lag, printing: threading.Lock) -> None:
    due = time.monotonic()
    while True:
        before = _waits(pid_file)
        start = time.monotonic()
        try:
            answer = ask(port, "/-/healthy", timeout=_PATIENCE)
            status, text = answer.status, answer.body[:500].decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        end = time.monotonic()
        found = {"daemon": name, "start": start, "seconds": end - start, "status": status, "text": text.strip()}
        delayed = min(end - start, max(sum(since(before, _waits(pid_file))), lag.between(start, end)))
        with printing:
            print(json.dumps(found | {"lag": delayed}), flush=True)
        due = max(due + _EVERY, end)
        time.sleep(due - end)


if __name__ == "__main__":
    main(sys.argv[1:])
