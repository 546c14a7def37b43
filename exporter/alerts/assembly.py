"""The parts that tell Alertmanager, made and ended together; what has been told outlives a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.alerts.alertmanager import AlertmanagerClient, AlertmanagerTarget
from exporter.alerts.conditions import alerts
from exporter.alerts.definitions import ALL_DEFINITIONS
from exporter.alerts.notifier import NotificationObserver, Notifier, Sender
from exporter.alerts.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.alerts.conditions import Alert, Labels
    from exporter.audit import LastEvents
    from exporter.clock import Clock, Stop
    from exporter.config.loader import AlertmanagerSettings, Settings
    from exporter.store import Store
    from exporter.transport import Watchdog

ALERT_NAMES = tuple(definition.name for definition in ALL_DEFINITIONS)


class DirectAlerting:
    """Sends alerts to the configured Alertmanagers; does nothing where there are none.

    Args:
        store: what the alerts are about.
        refused_since: since when reloads have been refused, in epoch seconds; None if the last one worked.
        observer: counts notices.
        watchdog: limits requests' time.
        parent: ends everything.
        clock: where time comes from.
        last_events: when each change of tokens was last seen, by organization and change.
        keep: told of the alerts that fire, with their starts, after each look.
    """

    def __init__(
        self,
        store: Store,
        refused_since: Callable[[], float | None],
        observer: NotificationObserver,
        watchdog: Watchdog,
        parent: Stop,
        clock: Clock,
        keep: Callable[[Iterable[tuple[Labels, float]]], None] | None = None,
        last_events: Callable[[], LastEvents] = dict,
    ) -> None:
        self._last_events = last_events
        self._keep = keep
        self._store = store
        self._refused_since = refused_since
        self._observer = observer
        self._watchdog = watchdog
        self._parent = parent
        self._clock = clock
        self._tracker = Tracker()
        self._notifier: Notifier | None = None
        self._settings: Settings | None = None
        self._silent = False

    def stand_by(self, silent: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Be silent while another replica tells, or tell again: two that look at different times would contradict."""
        self._silent = silent
        if self._settings is not None:
            self.put_in_force(self._settings)

    def restore(self, firing: Iterable[tuple[Labels, float]]) -> None:
        """Go on with the alerts of an earlier run."""
        self._tracker.restore(firing, self._clock.now())

    def put_in_force(self, settings: Settings) -> None:
        """Go on with other settings; alerts that fire keep their identity."""
        self.stop()
        self._settings = settings
        if self._silent or not settings.alertmanagers:
            return
        config = settings.config

        def conditions(now: float) -> Iterable[Alert]:
            return alerts(self._store.view(), config, self._refused_since(), now, self._last_events())

        self._notifier = Notifier(
            conditions,
            self._tracker,
            [self._sender(one, config.alerting.resend_interval) for one in settings.alertmanagers],
            self._observer,
            self._parent,
            self._clock,
            config.alerting.resend_interval,
            self._keep,
        )
        self._notifier.start()

    def stop(self) -> None:
        """Stop at once. Nothing is resolved by that: what fires ends by its lease, or is told again after a restart."""
        if self._notifier is not None:
            self._notifier.stop()
            self._notifier = None

    def _sender(self, settings: AlertmanagerSettings, resend: float) -> Sender:
        config = settings.config
        target = AlertmanagerTarget(
            url=config.url,
            timeout=config.timeout,
            username=None if config.basic_auth is None else config.basic_auth.username,
            secret=settings.secret,
            ca_file=settings.ca_file,
            server_name=config.tls.server_name,
            insecure_skip_verify=config.tls.insecure_skip_verify,
        )
        client = AlertmanagerClient(target, self._watchdog)
        return Sender(client, self._observer, self._parent, self._clock, longest_pause=resend)
