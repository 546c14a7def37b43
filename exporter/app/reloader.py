"""Loads the configuration again and puts it in force, completely or not at all.

A reload builds again:
    the organizations whose requests would be sent in another way, with client, sweeper, jobs and discovery;
    everything that delivers alerts;
    the series of organizations and Alertmanagers.

These live on:
    each organization's ledger, for as long as the organization is configured, and what depends on it: rendered text,
    state file, audit trail, exchange with replicas;
    organizations of which only the listed users change;
    the alerts that fire; the web server, the state file and the connection to Redis, whose settings need a restart.

A reload first loads, checks and builds everything new, which may fail. After that, and under the lock, it only replaces
what is in force.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import structlog

from exporter.alerts.pipeline import ALERT_NAMES
from exporter.app.in_force import InForce
from exporter.app.reload_summary import changes
from exporter.common.cancellation import StoppedError
from exporter.common.coalesce import Coalesced
from exporter.config.errors import ConfigError, ReloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from exporter.alerts.pipeline import AlertPipeline
    from exporter.app.garbage import GarbagePolicy
    from exporter.app.in_force import Current
    from exporter.app.organizations import Organizations, Replacement
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.config.settings import Settings
    from exporter.metrics.exposition import Exposition
    from exporter.metrics.notifications import NotificationTelemetry
    from exporter.metrics.telemetry import Telemetry
    from exporter.model.snapshot import OrganizationView

_log = structlog.get_logger(__name__)
DEFECT: Final = "internal error; the log has the traceback"
"""The text of the error if a reload fails because of a defect."""
_STOPPING = "the exporter is shutting down"
_STOP_PATIENCE = 1.0
"""Seconds for which a stop waits for a reload that is putting a configuration in force."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a configuration is put in force on, in this order."""

    organizations: Organizations
    notifications: NotificationTelemetry
    telemetry: Telemetry
    alerting: AlertPipeline
    exposition: Exposition
    garbage: GarbagePolicy


@dataclass(frozen=True, slots=True)
class Announcements:
    """Who is notified of reloads.

    Attributes:
        reloading: makes a context around each reload, whether it succeeds or not.
        in_effect: called with a configuration that has come into force, for its warnings.
    """

    reloading: Callable[[], AbstractContextManager[None]]
    in_effect: Callable[[Settings], None]


class Reloader:
    """Puts configurations in force, one at a time. Any thread may reload.

    Args:
        current: holds the configuration in force; at first the one to start with.
        load: loads the configuration again; raises `ConfigError`.
        targets: what a configuration is put in force on.
        announcements: who is notified of reloads.
        supervisor: makes the thread that reloads after `request`.
        stop: ends everything.
        clock: the time.
    """

    def __init__(
        self,
        current: Current,
        load: Callable[[], Settings],
        targets: Targets,
        announcements: Announcements,
        supervisor: Supervisor,
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._load = load
        self._targets = targets
        self._announcements = announcements
        self._stop = stop
        self._clock = clock
        self._current = current
        # Held while a configuration or role is put in force: one at a time, and none once `stop` is set.
        self._lock = threading.Lock()
        self._shared = Coalesced(self._announced_reload)
        self._requested = threading.Event()
        self._worker = supervisor.worker("reload", self._reload_if_requested, parent=stop)

    def begin(self, restored: Mapping[str, OrganizationView]) -> None:
        """Put the first configuration in force.

        Args:
            restored: what an earlier run knew, by organization.

        Raises:
            StoppedError: the exporter is shutting down.
        """
        targets, settings = self._targets, self._current.value.settings
        with self._lock:
            self._put_in_force(targets.organizations.prepare(settings, restored))
        self._announcements.in_effect(settings)

    def start(self) -> None:
        """Begin to act on `request`."""
        self._worker.start()

    def request(self) -> None:
        """Reload soon, once for any number of requests. Does not wait."""
        self._requested.set()
        self._worker.wake()

    def reload(self) -> None:
        """Load the configuration again and put it in force, all or nothing. Callers that wait share a reload.

        Raises:
            ReloadError: it is invalid, and the previous one stays in effect; or the exporter is shutting down.
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
            self._targets.alerting.stand_by(not polls)
            self._targets.organizations.poll(polls=polls)

    def stop(self) -> None:
        """Begin no reload from now on. One that is still loading puts nothing in force."""
        self._shared.stop()
        self._worker.stop(_STOP_PATIENCE)
        # Wait for what is being put in force now, but not for ever.
        if self._lock.acquire(timeout=_STOP_PATIENCE):
            self._lock.release()
        else:
            _log.error("a reload is still under way at shutdown")

    def _reload_if_requested(self) -> None:
        if self._requested.is_set():
            self._requested.clear()
            with contextlib.suppress(ReloadError):  # logged and counted by the reload itself
                self.reload()

    def _announced_reload(self) -> str | None:
        with self._announcements.reloading():
            return self._reload()

    def _reload(self) -> str | None:
        """Reload once; the text of the error, or None."""
        with self._lock:
            # What is built before the first configuration is in force does not know what an earlier run left.
            if self._current.value.generation == 0:
                return "the exporter is still starting; try again"
        try:
            new = self._targets.organizations.prepare(self._load(), {})
            settings = new.settings
        except ConfigError as error:
            _log.error("reload refused, the previous configuration stays in effect", faults=str(error))
            return self._refuse(str(error))
        except Exception:  # noqa: BLE001 - whatever a file holds, it must not end a daemon that works; it is counted
            self._targets.telemetry.internal_error("reload")
            _log.exception("reload crashed")
            return self._refuse(DEFECT)
        before = self._current.value.settings
        # Before anything changes, since it may take seconds. Without it, the next scrape would take these.
        if not self._stop.is_set():
            self._guarded(self._prepare_scrapes, settings)
        try:
            with self._lock:
                self._put_in_force(new)
        except StoppedError:
            return _STOPPING
        self._guarded(self._renew_scrapes, settings)
        self._announcements.in_effect(settings)
        _log.info("configuration reloaded", organizations=len(settings.organizations), **changes(before, settings))
        # The replaced parts are cycles.
        del new
        self._targets.garbage.reloaded()
        return None

    def _refuse(self, problem: str) -> str:
        with self._lock:
            value = self._current.value
            if value.refused_since is None:
                self._current.replace(replace(value, refused_since=self._clock.now()))
            self._targets.telemetry.reload_failed()
        return problem

    def _put_in_force(self, new: Replacement) -> None:
        """Put in force what was built. With the lock.

        Raises:
            StoppedError: the exporter is shutting down; nothing has changed.
        """
        targets, settings = self._targets, new.settings
        if self._stop.is_set():
            targets.organizations.discard(new)
            raise StoppedError
        self._current.replace(InForce(settings, self._current.value.generation + 1))
        targets.organizations.put_in_force(new)
        targets.notifications.watch([one.config.url for one in settings.alertmanagers], ALERT_NAMES)
        # After everything that adds or drops series: from here on no body with the old ones is served.
        targets.telemetry.reloaded(self._clock.now())
        self._guarded(targets.alerting.put_in_force, settings)
        targets.organizations.start(new)

    def _prepare_scrapes(self, settings: Settings) -> None:
        self._targets.exposition.prepare_for(settings.config)

    def _renew_scrapes(self, _: Settings) -> None:
        """Bring what was prepared into use, and free what it replaces, even if no scrape comes."""
        self._targets.exposition.prepare_all()

    def _guarded(self, step: Callable[[Settings], None], settings: Settings) -> None:
        try:
            step(settings)
        except Exception:  # noqa: BLE001 - the configuration is in force by now; the rest must follow, and it is counted
            _log.exception("a part could not apply the configuration")
            self._targets.telemetry.internal_error("reload")
