"""From the state to the receivers: evaluator, notifier and senders. Firing alerts and queues outlive a reload."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter.alerts.definitions import ALL_DEFINITIONS
from exporter.alerts.notifier import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.alerts.alert import Evaluation
    from exporter.alerts.evaluator import Evaluator
    from exporter.alerts.notifier import Notifier
    from exporter.alerts.sender import NotificationObserver
    from exporter.alerts.senders import Senders
    from exporter.config.settings import Settings
    from exporter.model.kept_alert import KeptAlert

ALERT_NAMES = tuple(definition.name for definition in ALL_DEFINITIONS)
_STOP_TIMEOUT = 1.0


class AlertPipeline:
    """Notifies the configured receivers of alerts; does nothing if none is configured.

    Args:
        evaluator: finds the alerts that fire.
        notifier: decides which notifications are due.
        senders: deliver them.
        observer: counts firing alerts.
    """

    def __init__(
        self, evaluator: Evaluator, notifier: Notifier, senders: Senders, observer: NotificationObserver
    ) -> None:
        self._evaluator = evaluator
        self._notifier = notifier
        self._senders = senders
        self._observer = observer
        # Guards the fields below: a start, a reload and a change of role may come at the same time.
        self._lock = threading.Lock()
        self._begun = False
        self._restored: tuple[KeptAlert, ...] = ()
        self._settings: Settings | None = None
        self._standby = False

    def stand_by(self, standby: bool) -> None:  # noqa: FBT001 - its only argument
        """Send nothing while another replica does, or send again: replicas that poll at other times disagree."""
        with self._lock:
            self._standby = standby
            self._resume()

    def begin(self) -> None:
        """Evaluate from now on. A start renders all series before: the first evaluation would delay scrapes."""
        with self._lock:
            self._begun = True
            self._resume()

    def restore(self, kept: Iterable[KeptAlert]) -> None:
        """Continue with the alerts of an earlier run."""
        with self._lock:
            self._restored = tuple(kept)

    def put_in_force(self, settings: Settings) -> None:
        """Apply a configuration. Firing alerts keep their identity, and queued notifications stay queued."""
        senders = self._senders.prepare(settings)
        with self._lock:
            self._settings = settings
            if self._restored:
                self._notifier.restore(self._restored, settings.config.alerting.resend_interval)
                self._restored = ()
            self._notifier.apply(None)
            self._senders.replace(senders, paused=self._standby)
            self._resume()

    def stop(self) -> None:
        """Stop at once. This resolves no alert: a firing one ends by its lease or is sent again after a restart."""
        self._notifier.request_stop()
        self._senders.stop()
        self._notifier.stop(_STOP_TIMEOUT)

    def _resume(self) -> None:
        settings = self._settings
        if settings is None or not self._begun:
            return
        if self._standby or not len(self._senders):
            self._notifier.apply(None)
            self._senders.pause()
            self._observer.firing({})
            return

        def evaluated(now: float, applied: int | None) -> Evaluation:
            return self._evaluator.evaluate(settings.config, now, applied)

        resend = settings.config.alerting.resend_interval
        self._notifier.apply(Plan(evaluated, self._evaluator.forget, tuple(self._senders), resend))
