"""Notifies the service manager, such as systemd, of the state of the process (sd_notify)."""

from __future__ import annotations

import contextlib
import os
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog
from sdnotify import SystemdNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from exporter.common.clock import Clock

_log = structlog.get_logger(__name__)
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_MICROSECONDS = 1_000_000
_INFINITY = 2**64 - 1
"""Microseconds by which systemd means no limit."""
_MOST_DIGITS = 20
_SILENT = "the service manager cannot be notified, so it may end the exporter; check NotifyAccess= and WatchdogSec="
_SEND_LIMIT = 1.0
"""Seconds for which a message waits if the service manager does not read."""


class _Phase(Enum):
    STARTING = auto()
    READY = auto()
    STOPPING = auto()


class ServiceManager:
    """The service manager that has started this process. Without one, all methods do nothing.

    Args:
        clock: its monotonic clock must be that of the kernel, which the service manager compares with its own.
        send: sends a message; raises OSError. None without a service manager.
        watchdog: seconds after which the service manager ends a process that has not said that it is alive; None if it
            does not.
        close: frees what `send` uses.
    """

    def __init__(
        self,
        clock: Clock,
        send: Callable[[str], None] | None = None,
        watchdog: float | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.watchdog = None if send is None else watchdog
        self._clock = clock
        self._send = send
        self._close = close
        # Only ever advances. A message too many is harmless, so it needs no lock.
        self._phase = _Phase.STARTING
        self._failed = False

    @property
    def present(self) -> bool:
        """Whether there is one."""
        return self._send is not None

    def ready(self) -> None:
        """The start is complete."""
        if self._phase is _Phase.STARTING:
            self._phase = _Phase.READY
            self._notify("READY=1")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """A reload takes place inside the context, whether it succeeds or not."""
        if self._phase is not _Phase.READY:
            yield
            return
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock.monotonic() * _MICROSECONDS)}")
        try:
            yield
        finally:
            # A second READY=1 after STOPPING=1 would be wrong.
            if self._phase is _Phase.READY:
                self._notify("READY=1")

    def stopping(self) -> None:
        """The process ends soon."""
        if self._phase is not _Phase.STOPPING:
            self._phase = _Phase.STOPPING
            self._notify("STOPPING=1\nSTATUS=Stopping")

    def close(self) -> None:
        """Send nothing from now on. Call it after `stopping`."""
        self._send = None
        self._close()

    def alive(self) -> None:
        """Restart the watchdog's time."""
        if self.watchdog is not None:
            self._notify("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show a line in `systemctl status`; characters other than ASCII are replaced."""
        # The library can encode Latin-1 only, and a newline would begin another assignment.
        self._notify("STATUS=" + line.replace("\n", " ").encode("ascii", "replace").decode())

    def _notify(self, message: str) -> None:
        send = self._send
        if send is None:
            return
        try:
            send(message)
        except OSError as error:
            if not self._failed:
                self._failed = True
                _log.warning(_SILENT, detail=str(error))


def service_manager(pid: int, clock: Clock) -> ServiceManager:
    """The service manager that the environment names.

    Its variables are removed, so that child processes do not notify it in the name of this one.

    Args:
        pid: the id of this process.
        clock: the time.
    """
    watchdog = watchdog_time(os.environ, pid)
    try:
        notifier = _connected() if os.environ.get("NOTIFY_SOCKET") else None
    except (OSError, ValueError) as error:
        notifier = None
        _log.warning(_SILENT, detail=f"NOTIFY_SOCKET {os.environ['NOTIFY_SOCKET']}: {error}")
    for name in _VARIABLES:
        os.environ.pop(name, None)
    if notifier is None:
        return ServiceManager(clock)
    return ServiceManager(clock, notifier.notify, watchdog, notifier.socket.close)


def watchdog_time(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds of the watchdog; None if there is none for this process, as in sd_watchdog_enabled(3)."""
    time, of_process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
    # As long as a number of 64 bits can be: int() raises an error for thousands of digits.
    if not (time.isascii() and time.isdecimal() and len(time) <= _MOST_DIGITS) or of_process != str(pid):
        return None
    return int(time) / _MICROSECONDS if 0 < int(time) < _INFINITY else None


def _connected() -> SystemdNotifier:
    """The library, connected to the socket that NOTIFY_SOCKET names.

    Raises:
        OSError: it cannot be connected.
        ValueError: it is not a valid address.
    """
    # Without debug, the library ignores all errors.
    notifier = SystemdNotifier(debug=True)
    notifier.socket.settimeout(_SEND_LIMIT)
    return notifier
