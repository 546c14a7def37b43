"""Builds the parts, wires them, runs and stops them: the one room that knows all others."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from exporter import __version__
from exporter.alerts.assembly import ALERT_NAMES, DirectAlerting
from exporter.alerts.notifier import QUEUE_CAPACITY
from exporter.audit import AuditTrail
from exporter.clock import Stop
from exporter.cluster.link import Link
from exporter.cluster.member import Member
from exporter.cluster.shard import WHOLE, Shard
from exporter.common.worker import Supervisor
from exporter.config.faults import ConfigError, ReloadError
from exporter.events import events
from exporter.metrics.exposition import Exposition
from exporter.metrics.notifications import NotificationTelemetry
from exporter.metrics.telemetry import Telemetry
from exporter.polling.scheduler import Scheduler
from exporter.storage import Storage
from exporter.store import Store
from exporter.transport import Watchdog
from exporter.watcher import Watcher
from exporter.web.app import Served, create_app
from exporter.web.server import WebServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from exporter.clock import Clock
    from exporter.config.loader import OrganizationSettings, Settings
    from exporter.model import UserState
    from exporter.store import OrganizationView, Sweep
    from exporter.web.security import WebSecurity

_log = structlog.get_logger(__name__)
_NOTES_EVERY = 60.0


class Daemon:
    """The exporter as a long-running process.

    Args:
        settings: the configuration to start with.
        load: loads the configuration anew for a reload; raises `ConfigError`.
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
        self._settings = settings
        self._load = load
        self._clock = clock
        self._stop = Stop()
        # One reload after the other, and none while starting or stopping.
        self._lock = threading.Lock()
        self._watchers: dict[str, Watcher] = {}
        self._telemetry = Telemetry()
        self._supervisor = Supervisor(self._telemetry.internal_error, clock)
        self._store = Store()
        self._watchdog = Watchdog(clock)
        self._scheduler = Scheduler()
        self._notifications = NotificationTelemetry(
            self._telemetry.registry, self._telemetry.internal_error, QUEUE_CAPACITY
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
        # Guarded by _lock: a replica stands by until it holds the lock.
        self._polls = self._member is None
        self._refused_since: float | None = None
        path = settings.storage
        if path is not None and shard.label:
            # Each shard keeps its own users, whatever file they share a configuration with.
            path = path.with_name(f"{path.name}.{shard.number}-of-{shard.total}")
        self._storage = None if path is None else Storage(path, self._telemetry.storage_error)
        self._storage_setting = settings.storage
        self._restored: dict[str, OrganizationView] = {}
        self._audit = AuditTrail(self._telemetry.token_event)
        self._alerting = DirectAlerting(
            self._store,
            lambda: self._refused_since,
            self._notifications,
            self._watchdog,
            self._stop,
            clock,
            None if self._storage is None else self._storage.keep_alerts,
            self._audit.last,
        )
        self._alerting.stand_by(self._member is not None)
        self._noted: frozenset[str] = frozenset()
        self._exposition = Exposition(
            self._telemetry.registry,
            self._store,
            lambda: self._settings.config,
            clock,
            self._telemetry.family_left_out,
            lambda: self._telemetry.reloads,
        )
        served = Served(
            exposition=self._exposition,
            store=self._store,
            stale_after=lambda: self._settings.config.poll.stale_after,
            events=self._audit.latest,
            reload=self.reload if lifecycle else None,
            clock=clock,
        )
        self._web = WebServer(security.guard(create_app(served)), sockets, security.tls)

    def start(self) -> None:
        """Begin to poll and to answer."""
        with self._lock:
            _log.info("starting", version=__version__, organizations=len(self._settings.organizations))
            self._watchdog.start()
            # First, so that a probe is answered while the state of an earlier run is read.
            self._web.start()
            self._restore()
            self._put_in_force(self._settings)
            self._exposition.prepare_all()
            self._exposition.open()
            self._scheduler.add(
                "notes",
                self._note,
                _NOTES_EVERY,
                skipped=lambda: None,
                crashed=lambda: self._telemetry.internal_error("watch"),
            )
            self._scheduler.start()
        if self._member is not None:
            self._member.start()

    def _poll(self, polls: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Poll from now on, or stand by for the replica that does."""
        with self._lock:
            if self._stop.is_set():
                return
            self._polls = polls
            self._alerting.stand_by(not polls)
            for watcher in self._watchers.values():
                (watcher.resume if polls else watcher.pause)()

    def reload(self) -> None:
        """Load the configuration anew and put it in force, all or nothing.

        Raises:
            ReloadError: it is not sound; the old one stays in force.
        """
        with self._lock:
            if self._stop.is_set():
                return
            try:
                settings = self._load()
                self._put_in_force(settings)
            except ConfigError as error:
                self._refuse()
                _log.error("reload refused, the old configuration stays in force", faults=str(error))
                raise ReloadError(str(error)) from None
            except Exception:  # noqa: BLE001 - see below, and it is counted
                # Whatever a file holds, it must not end a daemon that works.
                self._refuse()
                self._telemetry.internal_error("reload")
                _log.exception("reload crashed")
                raise ReloadError("the exporter met a defect of its own; the log has the traceback") from None
            # The old watchers are cycles, and nothing else looks for long-lived ones.
            gc.collect()
            _log.info("configuration reloaded", organizations=len(settings.organizations))

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        """A user's state is another one: its text is made anew, what has changed is told of, and it is written down."""
        self._exposition.prepare(organization, state)
        found = events(organization, before, state)
        if self._storage is not None:
            # Together, or a crash in between would have the next run find the same changes once more.
            self._storage.note(organization, state, found)
        self._audit.note(found)
        if self._member is not None:
            self._member.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        if self._storage is not None:
            self._storage.swept(organization, sweep)
        if self._member is not None:
            self._member.swept(organization, sweep)

    def own_token(self, organization: str, expires_at: float | None) -> None:
        """The expiry of the exporter's own token is another one."""
        if self._storage is not None:
            self._storage.own_token(organization, expires_at)

    def _restore(self) -> None:
        if self._storage is None:
            return
        started = self._clock.monotonic()
        self._storage.claim()
        organizations, firing = self._storage.load()
        now = self._clock.now()
        self._restored = {name: replace(view, since=now) for name, view in organizations.items()}
        self._alerting.restore(firing)
        self._audit.restore(self._storage.events, self._storage.last_events)
        for (organization, change), at in self._storage.last_events.items():
            self._telemetry.last_event(organization, change, at)
        self._storage.start()
        _log.info(
            "state restored",
            users=sum(len(view.users) for view in organizations.values()),
            alerts=len(firing),
            seconds=round(self._clock.monotonic() - started, 3),
        )

    def _forget_strangers(self) -> None:
        if self._storage is not None:
            view = self._store.view()
            self._storage.keep_only(
                {one.name: [state.user.user_id for state in one.users] for one in view.organizations}
            )

    def _refuse(self) -> None:
        self._telemetry.reload_failed()
        self._refused_since = self._refused_since or self._clock.now()

    def stop(self) -> None:
        """Stop polling, finish answering, end all threads; takes a few seconds at most, whatever hangs."""
        self._stop.set()
        self._exposition.open()
        with self._lock:
            self._scheduler.stop()
            self._alerting.stop()
            for watcher in self._watchers.values():
                watcher.end()
            self._watchdog.stop()
            self._web.stop()
            # First what is on this machine: Redis may have to be waited for.
            if self._storage is not None:
                self._storage.stop()
            if self._member is not None:
                self._member.stop()
        _log.info("stopped")

    def _put_in_force(self, settings: Settings) -> None:
        """Swap the watchers for those of other settings; an organization asked in the same way keeps its watcher."""
        old = self._watchers
        new = {
            one.config.name: self._watcher(one, settings, old.get(one.config.name)) for one in settings.organizations
        }
        self._settings = settings
        self._watchers = new
        self._store.replace(watcher.ledger for watcher in new.values())
        self._refused_since = None
        for name, watcher in old.items():
            if new.get(name) is not watcher:
                watcher.retire(self._scheduler)
                if name in new:
                    # What was noted while the new one was being made: known, told of, and not to be found anew.
                    new[name].ledger.take_over(watcher.ledger.view())
            if name not in new:
                self._forget(name)
        for name, watcher in new.items():
            if old.get(name) is not watcher:
                if not self._polls:
                    watcher.pause()
                watcher.start(self._scheduler)
        if settings.storage != self._storage_setting:
            _log.warning("storage.path takes effect with the next start")
        if (settings.redis and settings.redis.config) != (self._redis and self._redis.config):
            _log.warning("redis takes effect with the next start")
        self._restored = {}
        self._forget_strangers()
        self._notifications.watch([one.config.url for one in settings.alertmanagers], ALERT_NAMES)
        # After all that adds or drops series: a body that still has the old ones is shared with nobody from here on.
        self._telemetry.reloaded(self._clock.now())
        self._alerting.put_in_force(settings)
        self._note()

    def _forget(self, organization: str) -> None:
        self._telemetry.forget(organization)
        if self._member is not None:
            self._member.organization_removed(organization)

    def _note(self) -> None:
        """Tell, once each, of what is sound but ought to be looked at, such as a mute that has run out."""
        self._forget_strangers()
        notes = frozenset(self._settings.notes(self._clock.now()))
        for note in sorted(notes - self._noted):
            _log.warning("configuration note", note=note)
        self._noted = notes

    def _watcher(self, organization: OrganizationSettings, settings: Settings, old: Watcher | None) -> Watcher:
        poll = settings.config.poll
        if old is not None and old.serves(organization, poll):
            old.adopt(organization)
            return old
        return Watcher(
            organization,
            poll,
            old,
            self._telemetry.organization(organization.config.name),
            self._watchdog,
            self._stop,
            self._clock,
            pacer=None if self._member is None else self._member.pacer,
            shard=self._shard,
            known=self._restored.get(organization.config.name),
            observer=self,
        )
