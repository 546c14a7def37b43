"""Reports to the service manager that the process is alive, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.common.text import utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.app.service_manager import ServiceManager
    from exporter.common.cancellation import Stop
    from exporter.common.worker import Supervisor
    from exporter.model.snapshot import View

_log = structlog.get_logger(__name__)
_STATUS_EVERY = 10.0
"""Seconds between two checks whether the status has changed."""
_STOP_PATIENCE = 1.0


class Heartbeat:
    """The thread that restarts the watchdog's time and updates the status. Without a service manager there is none.

    While a thread of the exporter is dead or stuck, as in `/-/healthy`, the watchdog is not served, so that the service
    manager restarts the process.

    Args:
        manager: the service manager.
        supervisor: makes the thread, and knows which threads are dead or stuck.
        status: what the exporter does, as a line.
        stop: ends everything.
    """

    def __init__(self, manager: ServiceManager, supervisor: Supervisor, status: Callable[[], str], stop: Stop) -> None:
        self._manager = manager
        self._supervisor = supervisor
        self._status = status
        watchdog = manager.watchdog
        # Half of its time, as sd_watchdog_enabled(3) recommends.
        self._interval = _STATUS_EVERY if watchdog is None else min(watchdog / 2, _STATUS_EVERY)
        self._shown = ""
        self._healthy = True
        self._worker = supervisor.worker("heartbeat", self.beat, parent=stop)

    def start(self) -> None:
        """Start the thread, if there is a service manager."""
        if self._manager.present:
            self._worker.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._worker.stop(_STOP_PATIENCE)

    def beat(self) -> float:
        """Notify the service manager once; returns the seconds until the next time."""
        problems = ", ".join(self._supervisor.problems())
        if not problems:
            self._manager.alive()
        elif self._healthy and self._manager.watchdog is not None:
            _log.error("the service manager restarts the exporter unless it becomes healthy soon", detail=problems)
        self._healthy = not problems
        line = f"Unhealthy: {problems}" if problems else self._status()
        if line != self._shown:
            self._shown = line
            self._manager.status(line)
        return self._interval


def status_line(view: View, refused_since: float | None) -> str:
    """What the exporter does: how many users it polls, how many of them fail, what is wrong or pending.

    Args:
        view: the state of all organizations.
        refused_since: since when newer configurations have been refused, in epoch seconds; None if none has.
    """
    organizations = view.organizations
    users = sum(len(one.users) for one in organizations)
    failing = sum(state.failure is not None for one in organizations for state in one.users)
    waiting = sum(not one.ready for one in organizations)
    parts = [f"Organizations: {len(organizations)}, users: {users}, failing users: {failing}"]
    if waiting:
        parts.append(f"organizations without a complete sweep: {waiting}")
    if refused_since is not None:
        parts.append(f"configuration refused since {utc(refused_since)}")
    return ", ".join(parts)
