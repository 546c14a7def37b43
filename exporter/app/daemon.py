"""Builds the parts, wires them, runs and stops them: the one room that knows all others."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from exporter import __version__
from exporter.alerts.notifier import QUEUE_CAPACITY
from exporter.alerts.pipeline import DirectAlerting
from exporter.app.changes import (
    AuditListener,
    Changes,
    ExpositionListener,
    ReplicaListener,
    StorageListener,
    TelemetryListener,
)
from exporter.app.garbage import GarbagePolicy
from exporter.app.organization import Watcher
from exporter.app.organizations import Organizations
from exporter.app.reloader import Parts, Reloader
from exporter.app.teardown import Teardown
from exporter.cluster.member import Member
from exporter.cluster.redis import Link
from exporter.cluster.shard import WHOLE, Shard
from exporter.common.cancellation import Stop, StoppedError
from exporter.common.log_limit import LogLimit
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.exposition import Exposition
from exporter.metrics.families.exporter import STORAGE_ERRORS, STORAGE_EVENTS_DROPPED
from exporter.metrics.families.http import HTTP_REFUSED, LOG_SUPPRESSED
from exporter.metrics.notifications import NotificationTelemetry
from exporter.metrics.telemetry import Telemetry
from exporter.polling.scheduler import Scheduler
from exporter.state.audit import AuditTrail
from exporter.state.delivery import OrganizationRemoved
from exporter.state.storage import Storage
from exporter.state.store import Store
from exporter.web.app import Served, create_app
from exporter.web.refusals import Refusals
from exporter.web.server import WebServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from exporter.app.changes import Listener
    from exporter.common.clock import Clock
    from exporter.config.load import OrganizationSettings, Settings
    from exporter.model.snapshot import OrganizationView
    from exporter.web.security import WebSecurity

_log = structlog.get_logger(__name__)
_NOTES_EVERY = 60.0
_GARBAGE_EVERY = 10.0
_START_PATIENCE = 1.5
"""Seconds for which a stop waits for a start that it has called off."""


class Daemon:
    """The exporter as a long-running process.

    Args:
        settings: the configuration to start with.
        load: loads the configuration again for a reload; raises `ConfigError`.
        sockets: open listening sockets for the HTTP side.
        security: its TLS and basic auth.
        clock: where time comes from.
        lifecycle: whether a reload may be asked for over HTTP.
        shard: which users are this process'.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        sockets: Sequence[socket.socket],
        security: WebSecurity,
        clock: Clock,
        *,
        lifecycle: bool,
        shard: Shard = WHOLE,
    ) -> None:
        self._clock = clock
        self._stop = Stop()
        self._telemetry = Telemetry()
        self._supervisor = Supervisor(self._telemetry.internal_error, clock)
        self._store = Store()
        self._watchdog = Watchdog(clock, self._supervisor)
        self._scheduler = Scheduler(clock, self._supervisor)
        self._notifications = NotificationTelemetry(
            self._telemetry.instruments, self._telemetry.internal_error, QUEUE_CAPACITY
        )
        self._shard = shard
        self._redis = settings.redis
        self._member = (
            None
            if self._redis is None
            else Member(
                Link(self._redis, settings.redactor),
                shard,
                self._store,
                self._poll,
                self._telemetry,
                self._supervisor,
                clock,
            )
        )
        path = settings.storage
        if path is not None and shard.label:
            # Each shard keeps its own users, whatever file they share a configuration with.
            path = path.with_name(f"{path.name}.{shard.number}-of-{shard.total}")
        self._storage = (
            None
            if path is None
            else Storage(
                path,
                partial(self._telemetry.instruments.inc, STORAGE_ERRORS),
                lambda count: self._telemetry.instruments.inc(STORAGE_EVENTS_DROPPED, amount=count),
                self._supervisor,
            )
        )
        self._storage_setting = settings.storage
        self._audit = AuditTrail(self._telemetry.token_event)
        self._alerting = DirectAlerting(
            self._store,
            lambda: self._reloader.in_force.refused_since,
            self._notifications,
            self._watchdog,
            self._stop,
            clock,
            None if self._storage is None else self._storage.keep_alerts,
            self._audit.last,
            supervisor=self._supervisor,
        )
        self._alerting.stand_by(self._member is not None)
        self._noted: frozenset[str] = frozenset()
        self._exposition = Exposition(
            self._telemetry.registry,
            self._store,
            lambda: self._reloader.in_force.settings.config,
            clock,
            self._telemetry.families_left_out,
            lambda: self._telemetry.reloads,
            self._telemetry.internal_error,
        )
        self._changes = Changes(self._listeners(), lambda: self._telemetry.internal_error("changes"), clock)
        self._organizations = Organizations(
            self._watcher, self._store, self._scheduler, lambda: self._telemetry.internal_error("reload")
        )
        # A replica stands by until it holds the lock.
        self._organizations.poll(polls=self._member is None)
        self._garbage = GarbagePolicy(clock)
        self._reloader = Reloader(
            settings,
            load,
            Parts(self._organizations, self._notifications, self._telemetry, self._alerting, self._garbage),
            self._report_configuration,
            self._supervisor,
            self._stop,
            clock,
        )
        served = Served(
            exposition=self._exposition,
            store=self._store,
            stale_after=lambda: self._reloader.in_force.settings.config.poll.stale_after,
            events=self._audit.latest,
            reload=self.reload if lifecycle else None,
            clock=clock,
            problems=self._supervisor.problems,
        )
        inc = self._telemetry.instruments.inc
        log_limit = LogLimit(clock, partial(inc, LOG_SUPPRESSED))
        refusals = Refusals(partial(inc, HTTP_REFUSED), log_limit, self._telemetry.internal_error)
        app = security.guard(create_app(served, refusals), clock, refusals)
        self._web = WebServer(app, sockets, security.tls, self._supervisor, clock, refusals)
        # One start or stop after the other; a stop does not wait for a start for ever.
        self._lock = threading.Lock()
        self._saved = self._storage is None
        self._teardown = Teardown(lambda: self._telemetry.internal_error("stop"))
        # What holds something from the beginning. Redis is left last: it may have to be waited for.
        if self._member is not None:
            self._teardown.add("redis", self._member.stop)
        self._teardown.add("web", self._web.stop)

    def _listeners(self) -> tuple[Listener, ...]:
        """Who hears of changes, in this order: first what scrapes see, then what a restart needs, then the others."""
        return (
            ExpositionListener(self._exposition),
            *(() if self._storage is None else (StorageListener(self._storage),)),
            AuditListener(self._audit),
            TelemetryListener(self._telemetry),
            *(() if self._member is None else (ReplicaListener(self._member),)),
        )

    def start(self) -> None:
        """Begin to poll and to answer. Returns early, with what there is running, if `stop` is called meanwhile."""
        with self._lock:
            try:
                self._start()
            except StoppedError:
                _log.info("stopped while starting")

    def _start(self) -> None:
        self._stop.check()
        _log.info("starting", version=__version__, organizations=len(self._configured()))
        self._watchdog.start()
        self._teardown.add("watchdog", self._watchdog.stop)
        # Soon, so that a probe is answered while the state of an earlier run is read.
        self._web.start()
        self._stop.check()
        restored = self._restore()
        self._teardown.add("alerting", self._alerting.stop)
        self._teardown.add("organizations", self._organizations.end)
        self._stop.check()
        self._reloader.begin(restored)
        self._forget_unconfigured(restored)
        self._stop.check()
        self._exposition.prepare_all()
        self._exposition.open()
        self._garbage.begin()
        self._stop.check()
        self._scheduler.start()
        self._teardown.add("scheduler", self._scheduler.stop)
        self._add_job("notes", self._note, _NOTES_EVERY)
        self._add_job("garbage", self._collect_garbage, _GARBAGE_EVERY)
        if self._storage is not None:
            self._storage.start()
        if self._member is not None:
            self._member.start()
        self._reloader.start()

    def _add_job(self, name: str, job: Callable[[], None], interval: float) -> None:
        self._scheduler.add(
            name, job, interval, skipped=lambda: None, crashed=lambda: self._telemetry.internal_error("watch")
        )

    def _poll(self, polls: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Poll from now on, or stand by for the replica that does."""
        self._reloader.poll(polls=polls)

    def reload(self) -> None:
        """Load the configuration again and put it in force, all or nothing; callers that wait share a reload.

        Raises:
            ReloadError: it is not sound; the old one stays in force.
        """
        self._reloader.reload()

    def request_reload(self) -> None:
        """Reload soon, without waiting for it; the log and a metric say how it went."""
        self._reloader.request()

    @property
    def state_saved(self) -> bool:
        """Whether the end of the process loses nothing that `storage.path` should keep."""
        return self._saved

    def stop(self) -> None:
        """Stop polling, finish answering, end all threads; takes a few seconds at most, whatever hangs.

        Fine at any time: before, during and after a start, and more than once.
        """
        self._stop.set()
        self._exposition.open()
        # First of all, since whatever follows may hang: from here on nothing changes, and what is known is written.
        self._organizations.close()
        if self._storage is not None:
            self._saved = self._storage.stop()
        self._reloader.stop()
        started = self._lock.acquire(timeout=_START_PATIENCE)
        try:
            self._teardown.run()
        finally:
            if started:
                self._lock.release()
        _log.info("stopped")

    def _restore(self) -> Mapping[str, OrganizationView]:
        """What an earlier run left, by organization."""
        if self._storage is None:
            return {}
        started = self._clock.monotonic()
        self._storage.claim()
        # Once more, for a stop that comes before there is anything to write.
        self._teardown.add("storage", self._storage.stop)
        organizations, firing = self._storage.load()
        now = self._clock.now()
        self._alerting.restore(firing)
        configured = self._configured()
        self._audit.restore(
            [event for event in self._storage.events if event.organization in configured],
            {key: at for key, at in self._storage.last_events.items() if key[0] in configured},
        )
        _log.info(
            "state restored",
            users=sum(len(view.users) for view in organizations.values()),
            alerts=len(firing),
            seconds=round(self._clock.monotonic() - started, 3),
        )
        return {name: replace(view, since=now) for name, view in organizations.items()}

    def _forget_unconfigured(self, restored: Mapping[str, OrganizationView]) -> None:
        """Forget the organizations of an earlier run that have been removed since, and show the others' last events."""
        if self._storage is None:
            return
        for (organization, change), at in self._audit.last().items():
            self._telemetry.last_event(organization, change, at)
        known = {*restored, *(name for name, _ in self._storage.last_events)}
        known |= {event.organization for event in self._storage.events}
        for name in sorted(known - self._configured()):
            _log.info("an organization of an earlier run is not configured any more", organization=name)
            self._changes.publish(OrganizationRemoved(name))

    def _configured(self) -> set[str]:
        return {one.config.name for one in self._reloader.in_force.settings.organizations}

    def _report_configuration(self, settings: Settings) -> None:
        """Warn of what a reload cannot put in force, and of what ought to be looked at."""
        if settings.storage != self._storage_setting:
            _log.warning("storage.path takes effect with the next start")
        if (settings.redis and settings.redis.config) != (self._redis and self._redis.config):
            _log.warning("redis takes effect with the next start")
        self._note()

    def _note(self) -> None:
        """Warn, once each, of what is sound but ought to be looked at, such as a silence that has run out."""
        notes = frozenset(self._reloader.in_force.settings.notes(self._clock.now()))
        for note in sorted(notes - self._noted):
            _log.warning("configuration note", note=note)
        self._noted = notes

    def _collect_garbage(self) -> None:
        view = self._store.view()
        ready = frozenset(one.name for one in view.organizations if one.sweep is not None)
        self._garbage.check(ready, all_ready=len(ready) == len(view.organizations))

    def _watcher(
        self,
        organization: OrganizationSettings,
        settings: Settings,
        before: Watcher | None,
        known: OrganizationView | None,
    ) -> Watcher:
        return Watcher(
            organization,
            settings.config.poll,
            before,
            self._telemetry.organization(organization.config.name, begin=False),
            self._watchdog,
            self._stop,
            self._clock,
            redact=settings.redactor.clean,
            pacer=None if self._member is None else self._member.pacer,
            shard=self._shard,
            known=known,
            publish=self._changes.publish,
            most_tokens=settings.config.metrics.max_tokens_per_user,
        )
