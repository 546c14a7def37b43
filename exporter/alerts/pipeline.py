"""The parts that notify Alertmanager, made and ended together; alerts and what waits to be sent outlive a reload."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from exporter.alerts.conditions import Evaluation, evaluate
from exporter.alerts.definitions import ALL_DEFINITIONS
from exporter.alerts.notifier import NotificationObserver, Notifier, Plan
from exporter.alerts.receivers.alertmanager import AlertmanagerClient, AlertmanagerTarget
from exporter.alerts.sender import Sender
from exporter.alerts.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.config.alerting import Alertmanager
    from exporter.config.settings import AlertmanagerSettings, Settings
    from exporter.http.session import Watchdog
    from exporter.model.kept_alert import KeptAlert
    from exporter.state.audit import LastEvents
    from exporter.state.store import Store

_log = structlog.get_logger(__name__)
ALERT_NAMES = tuple(definition.name for definition in ALL_DEFINITIONS)
_STOP_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class _SenderKey:
    """All that a sender depends on; as long as it stays the same, a reload keeps the sender."""

    config: Alertmanager
    secret: str | None = field(repr=False)
    ca_file: Path | None
    ca_digest: str
    resend: float


class DirectAlerting:
    """Sends alerts to the configured Alertmanagers; does nothing where there are none.

    Args:
        store: what the alerts are about.
        refused_since: since when reloads have been refused, in epoch seconds; None if the last one worked.
        observer: counts notices.
        watchdog: limits requests' time.
        parent: ends everything.
        clock: where time comes from.
        keep: called with the alerts that a restart needs, after each evaluation.
        last_events: when each change of tokens was last seen, by organization and change.
        supervisor: makes the threads.
    """

    def __init__(
        self,
        store: Store,
        refused_since: Callable[[], float | None],
        observer: NotificationObserver,
        watchdog: Watchdog,
        parent: Stop,
        clock: Clock,
        keep: Callable[[Iterable[KeptAlert]], None] | None = None,
        last_events: Callable[[], LastEvents] = dict,
        *,
        supervisor: Supervisor,
    ) -> None:
        self._store = store
        self._refused_since = refused_since
        self._observer = observer
        self._watchdog = watchdog
        self._parent = parent
        self._clock = clock
        self._last_events = last_events
        self._supervisor = supervisor
        self._notifier = Notifier(Tracker(), observer, supervisor, parent, clock, keep)
        self._senders: dict[_SenderKey, Sender] = {}
        self._restored: tuple[KeptAlert, ...] = ()
        self._settings: Settings | None = None
        self._silent = False

    def stand_by(self, silent: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Send nothing while another replica does, or send again: replicas that poll at different times contradict."""
        self._silent = silent
        if self._settings is not None:
            self._resume(self._settings)

    def restore(self, kept: Iterable[KeptAlert]) -> None:
        """Go on with the alerts of an earlier run."""
        self._restored = tuple(kept)

    def put_in_force(self, settings: Settings) -> None:
        """Go on with other settings; alerts that fire keep their identity, and what waits to be sent goes on waiting.

        An Alertmanager whose settings are the same keeps its sender. One that is reached in another way gets a new
        sender, which starts once the old one has ended and takes over what waits.
        """
        keys = {self._key(one, settings.config.alerting.resend_interval): one for one in settings.alertmanagers}
        made = {key: self._sender(one, key, settings) for key, one in keys.items() if key not in self._senders}
        self._settings = settings
        if self._restored:
            self._notifier.restore(self._restored, settings.config.alerting.resend_interval)
            self._restored = ()
        self._notifier.apply(None)
        ended = [sender for key, sender in self._senders.items() if key not in keys]
        _stop(ended)
        pending = {sender.url: sender.pending for sender in ended}
        for sender in made.values():
            sender.put(pending.get(sender.url, ()))
            if self._silent:
                sender.pause()
            sender.start()
        self._senders = {key: made.get(key) or self._senders[key] for key in keys}
        self._resume(settings)

    def stop(self) -> None:
        """Stop at once. Nothing is resolved by that: what fires ends by its lease, or is sent again after a restart."""
        self._notifier.request_stop()
        _stop(self._senders.values())
        self._notifier.stop(_STOP_TIMEOUT)
        self._senders = {}

    def _resume(self, settings: Settings) -> None:
        config = settings.config
        if self._silent or not self._senders:
            self._notifier.apply(None)
            for sender in self._senders.values():
                sender.pause()
            self._observer.firing(())
            return

        def evaluated(now: float) -> Evaluation:
            return self._evaluate(settings, now)

        self._notifier.apply(Plan(evaluated, tuple(self._senders.values()), config.alerting.resend_interval))

    def _evaluate(self, settings: Settings, now: float) -> Evaluation:
        failures = 0

        def failed() -> None:
            nonlocal failures
            failures += 1
            self._observer.internal_error("alerts")
            if failures == 1:
                _log.exception("the alerts about one user or organization cannot be evaluated, they stay as they were")

        found = evaluate(
            self._store.view(), settings.config, self._refused_since(), now, self._last_events(), failed=failed
        )
        if failures > 1:
            _log.error("alerts cannot be evaluated, they stay as they were", users_or_organizations=failures)
        return found

    def _key(self, settings: AlertmanagerSettings, resend: float) -> _SenderKey:
        secret = None if settings.secret is None else settings.secret.origin
        return _SenderKey(settings.config, secret, settings.ca_file, _digest(settings.ca_file), resend)

    def _sender(self, settings: AlertmanagerSettings, key: _SenderKey, whole: Settings) -> Sender:
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
        client = AlertmanagerClient(target, self._watchdog, self._clock, redact=whole.redactor)
        return Sender(client, self._observer, self._supervisor, self._parent, self._clock, longest_pause=key.resend)


def _stop(senders: Iterable[Sender]) -> None:
    """Stop several at once, so that the time to wait for them does not add up."""
    stopping = list(senders)
    for sender in stopping:
        sender.request_stop()
    for sender in stopping:
        sender.stop(_STOP_TIMEOUT)


def _digest(file: Path | None) -> str:
    """What is in a file, so that a reload sees that it has changed."""
    if file is None:
        return ""
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
