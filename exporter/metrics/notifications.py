"""What the exporter counts about the alerts that it sends, in the manner of `prometheus_notifications_*`."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from typing import TYPE_CHECKING

from exporter.metrics.families import (
    ALERTS_FIRING,
    NOTIFICATIONS_CAPACITY,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_ERRORS,
    NOTIFICATIONS_LATENCY,
    NOTIFICATIONS_QUEUE,
    NOTIFICATIONS_SENT,
)
from exporter.metrics.own import counter, gauge, histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import CollectorRegistry

    from exporter.alerts.tracker import Notice


class NotificationTelemetry:
    """Counters by Alertmanager.

    Args:
        registry: where the families go.
        internal_error: counts defects.
        capacity: how many alerts can wait for one Alertmanager.
    """

    def __init__(self, registry: CollectorRegistry, internal_error: Callable[[str], None], capacity: int) -> None:
        self.internal_error = internal_error
        self._sent = counter(NOTIFICATIONS_SENT, registry)
        self._errors = counter(NOTIFICATIONS_ERRORS, registry)
        self._dropped = counter(NOTIFICATIONS_DROPPED, registry)
        self._queue = gauge(NOTIFICATIONS_QUEUE, registry)
        self._capacity = gauge(NOTIFICATIONS_CAPACITY, registry)
        self._capacity.set(capacity)
        self._latency = histogram(NOTIFICATIONS_LATENCY, registry)
        self._firing = gauge(ALERTS_FIRING, registry)
        # Guards _alertmanagers: a sender that is ending must not bring a forgotten one back.
        self._lock = threading.Lock()
        self._alertmanagers: frozenset[str] = frozenset()
        self._alert_names: tuple[str, ...] = ()

    def watch(self, alertmanagers: Iterable[str], alert_names: Iterable[str]) -> None:
        """Start the series of these Alertmanagers at 0 and drop those of others."""
        wanted = frozenset(alertmanagers)
        with self._lock:
            gone = self._alertmanagers - wanted
            self._alertmanagers = wanted
        for url in wanted:
            for metric in (self._sent, self._errors, self._dropped, self._queue, self._latency):
                metric.labels(url)
        for url in gone:
            for metric in (self._sent, self._errors, self._dropped, self._queue, self._latency):
                metric.remove_by_labels({"alertmanager": url})
        self._alert_names = tuple(alert_names) if wanted else ()
        self._firing.clear()
        self.firing(())

    def _known(self, alertmanager: str) -> bool:
        with self._lock:
            return alertmanager in self._alertmanagers

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch was taken, after so many seconds."""
        if self._known(alertmanager):
            self._sent.labels(alertmanager).inc(count)
            self._latency.labels(alertmanager).observe(seconds)

    def failed(self, alertmanager: str, count: int) -> None:
        """So many notices could not be delivered."""
        if self._known(alertmanager):
            self._errors.labels(alertmanager).inc(count)

    def dropped(self, alertmanager: str, count: int) -> None:
        """So many notices were given up."""
        if self._known(alertmanager):
            self._dropped.labels(alertmanager).inc(count)

    def queued(self, alertmanager: str, length: int) -> None:
        """So many notices are waiting."""
        if self._known(alertmanager):
            self._queue.labels(alertmanager).set(length)

    def firing(self, notices: Sequence[Notice]) -> None:
        """These alerts fire now."""
        tally = Tally(dict(notice.labels)["alertname"] for notice in notices)
        for name in self._alert_names:
            self._firing.labels(name).set(tally[name])
