"""The parts of the daemon and how they are connected. Building them starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from exporter.alerts.evaluator import Evaluator
from exporter.alerts.notifier import Notifier
from exporter.alerts.outbox import CAPACITY as QUEUE_CAPACITY
from exporter.alerts.pipeline import AlertPipeline
from exporter.alerts.senders import Senders
from exporter.alerts.tracker import Tracker
from exporter.app.auto_reload import AutoReload
from exporter.app.changes import (
    AuditListener,
    Changes,
    ExpositionListener,
    ReplicaListener,
    StorageListener,
    TelemetryListener,
)
from exporter.app.config_warnings import ConfigWarnings
from exporter.app.garbage import GarbagePolicy
from exporter.app.heartbeat import Heartbeat, status_line
from exporter.app.in_force import Current
from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.app.organizations import Organizations
from exporter.app.reloader import Announcements, Reloader, Targets
from exporter.app.tls_files import TlsFilesMonitor
from exporter.cluster.member import Member
from exporter.cluster.redis import RedisClient
from exporter.common.cancellation import Stop
from exporter.common.log_limit import LogLimit
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.exposition import Exposition
from exporter.metrics.families.exporter import STORAGE_ERRORS, STORAGE_EVENTS_DROPPED
from exporter.metrics.families.http import HTTP_REFUSED, LOG_SUPPRESSED, WEB_CONFIG_ERRORS
from exporter.metrics.notifications import NotificationTelemetry
from exporter.metrics.telemetry import Telemetry
from exporter.polling.scheduler import Scheduler
from exporter.polling.sweep_summary import SummarySettings
from exporter.state.audit import AuditTrail
from exporter.state.storage import Storage
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web.app import create_app
from exporter.web.live_security import LiveSecurity
from exporter.web.refusals import Refusals
from exporter.web.served import Served
from exporter.web.server import WebServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from exporter.app.changes import Listener
    from exporter.app.options import Options
    from exporter.cluster.shard import Shard
    from exporter.common.clock import Clock
    from exporter.common.live_tls import LiveTls
    from exporter.common.worker import Worker
    from exporter.config.settings import OrganizationSettings, RedisSettings, Settings
    from exporter.model.snapshot import OrganizationView
    from exporter.web.security import WebSecurity


@dataclass(frozen=True, slots=True)
class Base:
    """What almost every other part needs.

    Attributes:
        clock: the time.
        stop: ends everything.
        telemetry: what the exporter counts about itself.
        supervisor: makes the threads.
        store: the states of all organizations.
        watchdog: limits the time of requests.
        scheduler: runs jobs at intervals.
        current: the configuration in force.
    """

    clock: Clock
    stop: Stop
    telemetry: Telemetry
    supervisor: Supervisor
    store: Store
    watchdog: Watchdog
    scheduler: Scheduler
    current: Current

    @staticmethod
    def of(settings: Settings, clock: Clock) -> Base:
        """Build the base for the configuration to start with."""
        telemetry = Telemetry()
        supervisor = Supervisor(telemetry.internal_error, clock)
        return Base(
            clock,
            Stop(),
            telemetry,
            supervisor,
            Store(),
            Watchdog(clock, supervisor),
            Scheduler(clock, supervisor),
            Current(settings),
        )

    def count(self, where: str) -> Callable[[], None]:
        """What counts a defect that was met there."""
        return lambda: self.telemetry.internal_error(where)


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of the daemon.

    Attributes:
        base: what the others rest on.
        storage: the state file; None if none is configured.
        member: this process among others; None if Redis is not configured.
        audit: the last events.
        alerting: notifies Alertmanager.
        exposition: renders scrapes.
        changes: hands updates to everything that depends on them.
        organizations: polls the organizations.
        garbage: keeps the pauses of the garbage collector short.
        reloader: puts configurations in force.
        warnings: logs warnings about the configuration.
        tls_files: follows the certificates for servers that are called.
        index: counts and sorted tokens for the page and the API.
        auto_reload: the thread that reloads when a file has changed; None if that is not wanted.
        heartbeat: notifies the service manager.
        web: answers over HTTP.
    """

    base: Base
    storage: Storage | None
    member: Member | None
    audit: AuditTrail
    alerting: AlertPipeline
    exposition: Exposition
    changes: Changes
    organizations: Organizations
    garbage: GarbagePolicy
    reloader: Reloader
    warnings: ConfigWarnings
    tls_files: TlsFilesMonitor
    index: TokenIndex
    auto_reload: Worker | None
    heartbeat: Heartbeat
    web: WebServer


def build_parts(
    settings: Settings,
    load: Callable[[], Settings],
    sockets: Sequence[socket.socket],
    security: WebSecurity,
    clock: Clock,
    options: Options,
) -> Parts:
    """Build and connect all parts; the arguments are those of `Daemon`."""
    base = Base.of(settings, clock)
    shard = options.shard
    current, telemetry = base.current, base.telemetry
    storage = _storage(base, settings, shard)
    member = _member(base, settings, shard, lambda polls: reloader.poll(polls=polls))
    audit = AuditTrail(telemetry.token_event)
    notifications = NotificationTelemetry(telemetry.instruments, telemetry.internal_error, QUEUE_CAPACITY)
    alerting = _alerting(base, notifications, audit, storage)
    exposition = Exposition(
        telemetry.registry,
        base.store,
        current.config,
        clock,
        telemetry.families_left_out,
        lambda: telemetry.reloads,
        telemetry.internal_error,
    )
    changes = Changes(_listeners(base, exposition, storage, audit, member), base.count("changes"), clock)
    organizations = _organizations(base, shard, member, changes)
    garbage = GarbagePolicy(clock, lambda: sum(len(one.users) for one in base.store.view().organizations))
    warnings = ConfigWarnings(current, clock)
    reloader = Reloader(
        current,
        load,
        Targets(organizations, notifications, telemetry, alerting, exposition, garbage),
        Announcements(options.manager.reloading, warnings.report),
        base.supervisor,
        base.stop,
        clock,
    )
    # A replica stands by until it holds the lock.
    alerting.stand_by(member is not None)
    organizations.poll(polls=member is None)
    index = TokenIndex(base.store.view, current.policies, base.count("index"))
    served = Served(
        exposition=exposition,
        store=base.store,
        index=index,
        config=current.config,
        events=audit.latest,
        reload=reloader.reload if options.lifecycle else None,
        clock=clock,
        problems=base.supervisor.problems,
        language=current.language,
        zones=current.zones,
    )
    return Parts(
        base,
        storage,
        member,
        audit,
        alerting,
        exposition,
        changes,
        organizations,
        garbage,
        reloader,
        warnings,
        TlsFilesMonitor(partial(_tls_files, current, settings.redis), telemetry.instruments),
        index,
        _auto_reload(base, load, reloader, options),
        _heartbeat(base, options),
        _web(base, served, sockets, security, settings.route_prefix),
    )


def _tls_files(current: Current, redis: RedisSettings | None) -> Iterator[tuple[str, LiveTls]]:
    """What follows files of certificates: that of the configuration in force, but the Redis of the start."""
    return replace(current.value.settings, redis=redis).tls_files()


def _storage(base: Base, settings: Settings, shard: Shard) -> Storage | None:
    path = settings.storage
    if path is None:
        return None
    if shard.label:
        # Each shard keeps its own users, even if shards share a configuration.
        path = path.with_name(f"{path.name}.{shard.number}-of-{shard.total}")
    inc = base.telemetry.instruments.inc
    return Storage(
        path,
        partial(inc, STORAGE_ERRORS),
        lambda count: inc(STORAGE_EVENTS_DROPPED, amount=count),
        base.supervisor,
    )


def _member(base: Base, settings: Settings, shard: Shard, polls: Callable[[bool], None]) -> Member | None:
    if settings.redis is None:
        return None
    client = RedisClient(settings.redis, settings.redactor)
    return Member(client, shard, base.store, polls, base.telemetry, base.supervisor, base.clock)


def _alerting(
    base: Base, notifications: NotificationTelemetry, audit: AuditTrail, storage: Storage | None
) -> AlertPipeline:
    keep = None if storage is None else storage.keep_alerts
    return AlertPipeline(
        Evaluator(base.store, base.current.refused_since, audit.last, base.telemetry.internal_error),
        Notifier(Tracker(), notifications, base.supervisor, base.stop, base.clock, keep),
        Senders(notifications, base.watchdog, base.supervisor, base.stop, base.clock),
        notifications,
    )


def _listeners(
    base: Base, exposition: Exposition, storage: Storage | None, audit: AuditTrail, member: Member | None
) -> tuple[Listener, ...]:
    """What depends on changes, in this order: first what scrapes show, then what a restart needs, then the rest."""
    return (
        ExpositionListener(exposition),
        *(() if storage is None else (StorageListener(storage),)),
        AuditListener(audit),
        TelemetryListener(base.telemetry),
        *(() if member is None else (ReplicaListener(member),)),
    )


def _organizations(base: Base, shard: Shard, member: Member | None, changes: Changes) -> Organizations:
    def summary() -> SummarySettings:
        config = base.current.config()
        return SummarySettings(config.alerting.thresholds.warning, config.policies)

    def build(
        one: OrganizationSettings,
        settings: Settings,
        previous: Organization | None,
        restored: OrganizationView | None,
    ) -> Organization:
        shared = Shared(
            base.watchdog,
            base.stop,
            base.clock,
            settings.redactor.clean,
            shard,
            None if member is None else member.pacer,
            changes.publish,
            own_token_warning=lambda: base.current.config().alerting.thresholds.warning,
            summary=summary,
        )
        telemetry = base.telemetry.organization(one.config.name, begin=False)
        return Organization(one, settings.config, shared, telemetry, previous, restored)

    return Organizations(build, base.store, base.scheduler, base.count("reload"))


def _web(
    base: Base, served: Served, sockets: Sequence[socket.socket], security: WebSecurity, route_prefix: str
) -> WebServer:
    inc = base.telemetry.instruments.inc
    log_limit = LogLimit(base.clock, partial(inc, LOG_SUPPRESSED))
    refusals = Refusals(partial(inc, HTTP_REFUSED), log_limit, base.telemetry.internal_error)
    app, failed = create_app(served, refusals), partial(inc, WEB_CONFIG_ERRORS)
    live = LiveSecurity(security, app, base.clock, refusals, failed, route_prefix)
    return WebServer(live, sockets, base.supervisor, base.clock, refusals)


def _auto_reload(base: Base, load: Callable[[], Settings], reloader: Reloader, options: Options) -> Worker | None:
    if options.auto_reload is None:
        return None
    auto_reload = AutoReload(base.current, load, reloader.reload, options.auto_reload)
    return base.supervisor.worker("auto reload", auto_reload.check, parent=base.stop)


def _heartbeat(base: Base, options: Options) -> Heartbeat:
    def status() -> str:
        return status_line(base.store.view(), base.current.refused_since())

    return Heartbeat(options.manager, base.supervisor, status, base.stop)
