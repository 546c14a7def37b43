"""The cost of slow readers of /metrics for a server, and their effect on a normal client.

usage: python -m bench.slow_readers [USERS] [READERS]

Starts its own server on loopback, which logs the readers that it disconnects.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

_SECONDS = 15.0
_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


class _Normal:
    """A normal client that sends one request after another and records the slowest answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.slowest = 0.0
        self.answers = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        while not self.over.wait(0.2):
            started = time.monotonic()
            answer = requests.get(self._url, timeout=60)
            answer.raise_for_status()
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.answers += 1


def main(users: int, readers: int) -> None:
    """Measure and print."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "bench.serve", "ours", str(users), str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        body = _ready(f"{url}/metrics")
        before = peak = _resident(server.pid)
        clients = [_Normal(f"{url}/{path}") for path in ("-/healthy", "metrics")]
        slow = [_slow_reader(port) for _ in range(readers)]
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            for reader in slow:
                with contextlib.suppress(OSError):
                    reader.recv(512)
            peak = max(peak, _resident(server.pid))
            time.sleep(0.2)
        for client in clients:
            client.over.set()
            client.thread.join()
        healthy, metrics = clients
        print(f"{users} users, {readers} slow readers of {body / 1e6:.1f} MB, {_SECONDS:.0f} s")
        print(f"resident memory: {before:.0f} MiB before, {peak:.0f} MiB at most")
        print(f"slowest /-/healthy: {healthy.slowest:.3f} s of {healthy.answers}")
        print(f"slowest /metrics of a normal client: {metrics.slowest:.3f} s of {metrics.answers}")
    finally:
        server.terminate()
        server.wait()


def _ready(url: str) -> int:
    """Wait until the server answers; returns the size of the plain body in bytes."""
    end = time.monotonic() + 120
    while True:
        try:
            return len(requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60).content)
        except requests.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _slow_reader(port: int) -> socket.socket:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(_REQUEST)
    reader.setblocking(False)
    return reader


def _resident(pid: int) -> float:
    found = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[0]) / 1024


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    main(*(given + [10_000, 200][len(given) :]))
