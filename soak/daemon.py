"""One exporter as a child process: starts, signals and measures it, and reads its log."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from soak import clock
from soak.http import Answer, ask
from soak.ports import free_port
from soak.waits import since, waits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from soak.secrets import SecretSearch

ROOT = Path(__file__).resolve().parents[1]
"""The directory of the code under test."""
_PAGE = resource.getpagesize()
_TAIL = 400
"""Number of log lines kept for the report of a violation."""


class DaemonError(Exception):
    """A daemon did not start or answer."""


class Daemon:
    """A daemon on one port that can be started repeatedly.

    Args:
        name: its name in the table.
        folder: directory of its configuration, state file and log.
        environment: additional environment variables of its process.
        secrets: are searched for in its log.
        leaked: called with every secret found.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        environment: Mapping[str, str],
        secrets: SecretSearch,
        leaked: Callable[[str], None],
    ) -> None:
        self.name = name
        self.port = free_port()
        self.config = folder / f"{name}.yaml"
        self.log = folder / f"{name}.log"
        self.pid_file = folder / f"{name}.pid"
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.number = 0
        self.clients = 0
        # One restart or reload of the daemon at a time.
        self.lock = threading.RLock()
        self._environment = environment
        self._secrets = secrets
        self._leaked = leaked
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        # Guards the two counters.
        self._counting = threading.Lock()
        self._lines = self._bytes = 0

    @property
    def pid(self) -> int | None:
        """The id of the running process; None if it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> int:
        """Start the process; returns its id."""
        arguments = ["-m", "exporter", "serve", "--config.file", str(self.config), "--web.enable-lifecycle"]
        self._process = subprocess.Popen(
            [sys.executable, *arguments, "--web.listen-address", f"127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.config.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment},
        )
        self.number += 1
        self.pid_file.write_text(str(self._process.pid), encoding="ascii")
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout.fileno(),), name=f"log {self.name}", daemon=True
        )
        self._reader.start()
        return self._process.pid

    def wait_for(self, path: str, within: float, stop: threading.Event | None = None) -> float:
        """Wait for status 200 from a path; returns the seconds that it took.

        Raises:
            DaemonError: the process exited, it took too long, or the run ended.
        """
        pause = (stop or threading.Event()).wait
        started = time.monotonic()
        while True:
            if self.pid is None:
                raise DaemonError(f"{self.name} exited by itself: {self.last_lines(5)}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(self.port, path, timeout=2).status == http.HTTPStatus.OK:
                    return time.monotonic() - started
            if time.monotonic() - started > within:
                raise DaemonError(f"{self.name}: no 200 from {path} within {within:.0f} s: {self.last_lines(5)}")
            if pause(0.1):
                raise DaemonError(f"{self.name}: the run ended while it was starting")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, number: signal.Signals, within: float) -> tuple[float, int | None]:
        """Send a signal that stops the process.

        Returns:
            Seconds until the exit, minus the longest time for which one of its threads waited for a processor; and the
            exit code, None if the process had to be killed.
        """
        assert self._process is not None
        started = time.monotonic()
        before = now = waits(self._process.pid)
        self._process.send_signal(number)
        while (code := self._process.poll()) is None and time.monotonic() - started < within:
            # After the exit the waiting times are not available any more.
            now = waits(self._process.pid) or now
            time.sleep(0.05)
        took = time.monotonic() - started - max(since(before, now), default=0.0)
        if code is None:
            self._process.kill()
            self._process.wait()
        clock.forget(self._process.pid)
        assert self._process.stdout is not None
        assert self._reader is not None
        self._reader.join(2)
        self._process.stdout.close()
        return took, code

    def kill(self) -> None:
        """Kill the process."""
        self.end(signal.SIGKILL, 5)

    def reload(self) -> Answer:
        """Request a reload over HTTP."""
        return ask(self.port, "/-/reload", timeout=20, method="POST")

    def measure(self) -> tuple[int, int, int]:
        """Memory in bytes, number of file descriptors, number of threads.

        Raises:
            OSError: the process has ended.
        """
        folder = Path(f"/proc/{self.pid}")
        memory = int((folder / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
        return memory, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))

    def written(self) -> tuple[int, int]:
        """Lines and bytes logged since the last call."""
        with self._counting:
            lines, size, self._lines, self._bytes = self._lines, self._bytes, 0, 0
        return lines, size

    def last_lines(self, count: int) -> str:
        """The end of the log."""
        return "\n".join(list(self.tail)[-count:])

    def _read(self, stream: int) -> None:
        before = b""
        with self.log.open("ab", buffering=0) as file:
            while True:
                try:
                    piece = os.read(stream, 65536)
                except OSError:
                    return
                if not piece:
                    return
                file.write(piece)
                with self._counting:
                    self._lines += piece.count(b"\n")
                    self._bytes += len(piece)
                if (found := self._secrets.find(before + piece)) is not None:
                    self._leaked(f"log of {self.name}: {found}")
                before = (before + piece)[-self._secrets.longest - 1 :]
                self.tail.extend(piece.decode("utf-8", "replace").splitlines())
