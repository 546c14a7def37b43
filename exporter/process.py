"""The process around the daemon: its signals and its end."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING

from exporter.config.faults import ReloadError

if TYPE_CHECKING:
    from types import FrameType

    from exporter.daemon import Daemon

_COLLECT_YOUNG = (2_000, 5, 1_000_000)
_TURN = 0.0005
_LAST_RESORT = 4.0
"""Seconds from the request to stop until the process ends whatever a thread may still wait for."""


class Signals:
    """SIGTERM, SIGINT and SIGHUP as a queue. Made first of all, so that none is lost while the daemon starts.

    As PID 1 of a container the process has no default handlers: what is not handled here would be ignored.
    """

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGHUP:
            # Here and not in the main loop, which may be busy with loading a configuration.
            _end_soon()
        self._arrived.put(signal.Signals(number))

    def next(self) -> signal.Signals:
        """Wait for the next signal."""
        return self._arrived.get()


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def spare_long_pauses() -> None:
    """See to it that a probe is answered soon, whatever else goes on.

    Going through the millions of objects of a large enterprise holds the interpreter for a second, so the garbage
    collector leaves alone what has lived for long: polls leave no cycles behind, and those of scrapes die young; a
    reload, which does, has everything gone through once. And a thread that waits for the interpreter gets it half a
    millisecond after it asked, instead of five, of which many workers make a multiple.
    """
    gc.set_threshold(*_COLLECT_YOUNG)
    sys.setswitchinterval(_TURN)


def run(daemon: Daemon, signals: Signals) -> None:
    """Run the daemon until it is told to stop: SIGHUP reloads, SIGTERM and SIGINT stop."""
    raise_file_limit()
    spare_long_pauses()
    daemon.start()
    while signals.next() is signal.SIGHUP:
        with contextlib.suppress(ReloadError):  # told of in the log and by a metric
            daemon.reload()
    daemon.stop()


def _end_soon() -> None:
    """See to the end of the process even if something that nothing can call off holds a thread, such as a look-up."""

    def end() -> None:
        sys.stderr.flush()
        os._exit(0)

    timer = threading.Timer(_LAST_RESORT, end)
    timer.daemon = True
    timer.start()
