"""Loads the configuration again and puts it in force, whole or not at all.

Made again by a reload:
    the organizations whose requests would go out in another way, with client, sweeper, jobs and discovery;
    everything that delivers alerts;
    which series there are of organizations and Alertmanagers.

What lives on:
    each organization's ledger, for as long as the organization is configured, and what depends on it: rendered text,
    state file, audit trail, exchange with replicas;
    organizations that are only given other users;
    the alerts that fire; the web server, the state file and the connection to Redis, whose settings need a restart.

A reload first loads, checks and makes everything new, which may fail. From then on, and under the lock, it only puts in
place what there is.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from exporter.alerts.pipeline import ALERT_NAMES
from exporter.common.cancellation import StoppedError
from exporter.common.coalesce import Coalesced
from exporter.config.errors import ConfigError, ReloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.alerts.pipeline import DirectAlerting
    from exporter.app.garbage import GarbagePolicy
    from exporter.app.organizations import Organizations, Replacement
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.config.settings import Settings
    from exporter.metrics.notifications import NotificationTelemetry
    from exporter.metrics.telemetry import Telemetry
    from exporter.model.snapshot import OrganizationView

_log = structlog.get_logger(__name__)
_DEFECT = "the exporter met a defect of its own; the log has the traceback"
_STOPPING = "the exporter is shutting down"
_STOP_PATIENCE = 1.0
"""Seconds for which a stop waits for what a reload is putting in place."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration in force.

    Attributes:
        settings: the configuration.
        generation: how many configurations have come into force.
        refused_since: since when newer ones have been refused, in epoch seconds; None if none has.
    """

    settings: Settings
    generation: int = 0
    refused_since: float | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a configuration is put in force on, in the order in which it is."""

    organizations: Organizations
    notifications: NotificationTelemetry
    telemetry: Telemetry
    alerting: DirectAlerting
    garbage: GarbagePolicy


class Reloader:
    """Puts configurations in force, one at a time.

    Args:
        settings: the configuration to start with.
        load: loads the configuration again; raises `ConfigError`.
        parts: what it is put in force on.
        reloaded: called with a configuration that has come into force, for its warnings.
        supervisor: makes the thread that reloads when a signal asks for it.
        stop: ends everything.
        clock: where time comes from.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        parts: Parts,
        reloaded: Callable[[Settings], None],
        supervisor: Supervisor,
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._load = load
        self._parts = parts
        self._reloaded = reloaded
        self._stop = stop
        self._clock = clock
        # Only ever replaced whole.
        self._in_force = InForce(settings)
        # One configuration or role is put in force after the other, and none once everything ends.
        self._lock = threading.Lock()
        self._shared = Coalesced(self._reload)
        self._requested = threading.Event()
        self._worker = supervisor.worker("reload", self._reload_if_requested, parent=stop)

    @property
    def in_force(self) -> InForce:
        """The configuration in force."""
        return self._in_force

    def begin(self, restored: Mapping[str, OrganizationView]) -> None:
        """Put the first configuration in force.

        Args:
            restored: what an earlier run knew, by organization.

        Raises:
            StoppedError: everything ends already.
        """
        parts, settings = self._parts, self._in_force.settings
        with self._lock:
            self._put_in_force(parts.organizations.prepare(settings, restored))
        self._reloaded(settings)

    def start(self) -> None:
        """Begin to answer to `request`."""
        self._worker.start()

    def request(self) -> None:
        """Reload soon, once for however many requests. Waits for nothing."""
        self._requested.set()
        self._worker.wake()

    def reload(self) -> None:
        """Load the configuration again and put it in force, all or nothing; callers that wait share a reload.

        Raises:
            ReloadError: it is not sound, and the old one stays in force; or the exporter is shutting down.
        """
        try:
            problem = self._shared()
        except StoppedError:
            raise ReloadError(_STOPPING) from None
        if problem is not None:
            raise ReloadError(problem)

    def poll(self, *, polls: bool) -> None:
        """Poll from now on, or stand by for the replica that does."""
        with self._lock:
            if self._stop.is_set():
                return
            self._parts.alerting.stand_by(not polls)
            self._parts.organizations.poll(polls=polls)

    def stop(self) -> None:
        """Begin no reload any more; one that is still loading puts nothing in force."""
        self._shared.stop()
        self._worker.stop(_STOP_PATIENCE)
        # What is being put in place now is waited for, but not for ever.
        if self._lock.acquire(timeout=_STOP_PATIENCE):
            self._lock.release()
        else:
            _log.error("a reload is still under way at the end")

    def _reload_if_requested(self) -> None:
        if self._requested.is_set():
            self._requested.clear()
            with contextlib.suppress(ReloadError):  # logged and counted by the reload itself
                self.reload()

    def _reload(self) -> str | None:
        """Reload once; what is wrong, in words, or None."""
        try:
            settings = self._load()
            new = self._parts.organizations.prepare(settings, {})
        except ConfigError as error:
            _log.error("reload refused, the old configuration stays in force", faults=str(error))
            return self._refuse(str(error))
        except Exception:  # noqa: BLE001 - whatever a file holds, it must not end a daemon that works; it is counted
            self._parts.telemetry.internal_error("reload")
            _log.exception("reload crashed")
            return self._refuse(_DEFECT)
        try:
            with self._lock:
                if self._in_force.generation == 0:
                    self._parts.organizations.discard(new)
                    return "the exporter is still starting; try again"
                self._put_in_force(new)
        except StoppedError:
            return _STOPPING
        self._reloaded(settings)
        _log.info("configuration reloaded", organizations=len(settings.organizations))
        # The replaced parts are cycles.
        del new
        self._parts.garbage.begin()
        return None

    def _refuse(self, problem: str) -> str:
        since = self._in_force.refused_since
        with self._lock:
            self._in_force = replace(self._in_force, refused_since=self._clock.now() if since is None else since)
            self._parts.telemetry.reload_failed()
        return problem

    def _put_in_force(self, new: Replacement) -> None:
        """Put in place what has been made. With the lock.

        Raises:
            StoppedError: everything ends already; nothing has happened.
        """
        parts, settings = self._parts, new.settings
        if self._stop.is_set():
            parts.organizations.discard(new)
            raise StoppedError
        self._in_force = InForce(settings, self._in_force.generation + 1)
        parts.organizations.put_in_force(new)
        parts.notifications.watch([one.config.url for one in settings.alertmanagers], ALERT_NAMES)
        # After all that adds or drops series: a body that still has the old ones is not used from here on.
        parts.telemetry.reloaded(self._clock.now())
        self._guarded(parts.alerting.put_in_force, settings)
        parts.organizations.start(new)

    def _guarded(self, step: Callable[[Settings], None], settings: Settings) -> None:
        try:
            step(settings)
        except Exception:  # noqa: BLE001 - the configuration is in force by now; the rest must follow, and it is counted
            _log.exception("a part could not take the configuration")
            self._parts.telemetry.internal_error("reload")
