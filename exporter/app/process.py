"""The process around the daemon: signals, the exit, limits of the system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import resource
import select
import signal
import socket
import sys
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from exporter.app.garbage import tune_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from exporter.app.daemon import Daemon

_log = structlog.get_logger(__name__)
_LAST_RESORT = 4.0
"""Seconds from the request to stop until the process exits, even if threads are still running."""
_M_ARENA_MAX = -8
"""The number of this parameter in glibc's malloc.h."""
_ARENAS = 2
_LOG_PATIENCE = 0.3
_NOT_SAVED = 1
"""Exit code of a process that had to end before its state was written."""


class Wanted(Enum):
    """What to do after a signal."""

    RELOAD = auto()
    STOP = auto()
    END_OF_START = auto()


class Signals:
    """Handles SIGTERM, SIGINT and SIGHUP. Create it first, so that no signal is lost while the daemon starts.

    As PID 1 of a container the process has no default handlers: signals without a handler would be ignored.

    Args:
        end: ends the process at once with an exit code.
    """

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._saved: Callable[[], bool] = lambda: True
        # Handlers run between any two instructions of the main thread, so they must not take a lock. SimpleQueue.put
        # takes none.
        self._arrived: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        # The kernel may deliver a signal to any thread. The byte that the interpreter writes here wakes the main thread
        # in each case, so that it runs the handlers; a wait on a lock would continue.
        self._awakened, self._alarm = socket.socketpair()
        self._awakened.setblocking(False)
        self._alarm.setblocking(False)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        self._stopping: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Started before it is needed: at the end the system may have no thread left.
        threading.Thread(target=self._end_soon, name="last resort", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._arrived.put(Wanted.RELOAD)
            return
        self._stopping.put(None)
        self._arrived.put(Wanted.STOP)

    def start_ended(self) -> None:
        """End a wait for the next signal, since the daemon's start has ended."""
        self._arrived.put(Wanted.END_OF_START)
        self._wake()

    def close(self) -> None:
        """Restore the default handlers. Call it from the main thread."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self._awakened.close()
        self._alarm.close()

    def next(self) -> Wanted:
        """Wait for the next signal. A stop overtakes all others."""
        while not (arrived := self._take_all()):
            select.select([self._awakened], [], [])
            with contextlib.suppress(BlockingIOError):
                self._awakened.recv(4096)
        if Wanted.STOP in arrived:
            return Wanted.STOP
        if Wanted.END_OF_START in arrived:
            # The reload is not lost: it is returned next. One is enough for many requests.
            if Wanted.RELOAD in arrived:
                self._arrived.put(Wanted.RELOAD)
            return Wanted.END_OF_START
        return Wanted.RELOAD

    def _take_all(self) -> list[Wanted]:
        arrived = []
        with contextlib.suppress(queue.Empty):
            while True:
                arrived.append(self._arrived.get_nowait())
        return arrived

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: a wake-up is pending anyway; closed: nothing waits
            self._alarm.send(b"\0")

    def watch(self, saved: Callable[[], bool]) -> None:
        """Set the function that returns whether the process may end without losing state."""
        self._saved = saved

    def _end_soon(self) -> None:
        """End the process even if a thread is in a call that cannot be cancelled, such as a DNS lookup."""
        self._stopping.get()
        threading.Event().wait(_LAST_RESORT)
        saved = self._saved()
        with contextlib.suppress(RuntimeError):  # the system has no thread left
            # In a thread, since writing to the log may be what hangs.
            report = threading.Thread(target=_report_end, args=(saved,), daemon=True)
            report.start()
            report.join(_LOG_PATIENCE)
        self._end(0 if saved else _NOT_SAVED)


def _report_end(saved: bool) -> None:  # noqa: FBT001 - the only argument
    _log.error(
        "shutdown takes too long, exiting",
        seconds=_LAST_RESORT,
        state_saved=saved,
        threads=", ".join(sorted(one.name for one in threading.enumerate())),
    )
    sys.stderr.flush()


def raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit: each connection needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit_arenas() -> None:
    """Let the threads share two heaps of the C library, unless `MALLOC_ARENA_MAX` says otherwise.

    glibc gives up to eight threads per processor a heap of their own, and each keeps memory that was freed in it.
    Threads that wait for the interpreter lock gain nothing by that.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def run(daemon: Daemon, signals: Signals) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP reloads.

    The start and reloads run in threads of their own, so that a stop does not wait for them.
    """
    raise_file_limit()
    tune_interpreter()
    limit_arenas()
    signals.watch(lambda: daemon.state_saved)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            daemon.start()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            failures.append(error)
        signals.start_ended()

    threading.Thread(target=start, name="start", daemon=True).start()
    while (wanted := signals.next()) is not Wanted.STOP:
        if wanted is Wanted.RELOAD:
            daemon.request_reload()
        elif failures:
            daemon.stop()
            raise failures[0]
    daemon.stop()
    if not daemon.state_saved:
        _log.error("the state could not be written in time, the last changes will be missing at the next start")
        raise SystemExit(_NOT_SAVED)
