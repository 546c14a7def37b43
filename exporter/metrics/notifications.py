"""What the exporter counts about the alerts that it sends, in the manner of `prometheus_notifications_*`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter.metrics.families.notifications import (
    ALERTS_FIRING,
    NOTIFICATIONS_CAPACITY,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_ERRORS,
    NOTIFICATIONS_LATENCY,
    NOTIFICATIONS_QUEUE,
    NOTIFICATIONS_SENT,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.metrics.instruments import Instruments, LabelledSeries


class NotificationTelemetry:
    """Counters by Alertmanager.

    Args:
        instruments: counts the families.
        internal_error: counts defects.
        capacity: how many alerts can wait for one Alertmanager.
    """

    def __init__(self, instruments: Instruments, internal_error: Callable[[str], None], capacity: int) -> None:
        self.internal_error = internal_error
        self._instruments = instruments
        instruments.set(NOTIFICATIONS_CAPACITY, capacity)
        # Guards the fields below, and is held while ALERTS_FIRING is published: a reload replaces the Alertmanagers
        # while notifiers and senders count.
        self._lock = threading.Lock()
        self._alertmanagers: dict[str, LabelledSeries] = {}
        self._alert_names: tuple[str, ...] = ()

    def watch(self, alertmanagers: Iterable[str], alert_names: Iterable[str]) -> None:
        """Start the series of new Alertmanagers at 0 and drop those of Alertmanagers that are not in this list."""
        wanted = tuple(dict.fromkeys(alertmanagers))
        with self._lock:
            removed = [series for url, series in self._alertmanagers.items() if url not in wanted]
            new = [url for url in wanted if url not in self._alertmanagers]
            added = {url: self._instruments.labelled("alertmanager", url) for url in new}
            kept = {url: series for url, series in self._alertmanagers.items() if url in wanted}
            self._alertmanagers = added | kept
            self._alert_names = tuple(alert_names) if wanted else ()
            self._publish_firing({})
        for series in removed:
            series.end()
        for series in added.values():
            series.begin()

    def _series(self, alertmanager: str) -> LabelledSeries | None:
        with self._lock:
            return self._alertmanagers.get(alertmanager)

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch of ``count`` notifications was accepted; the delivery took ``seconds``."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_SENT, amount=count)
            series.observe(NOTIFICATIONS_LATENCY, seconds)

    def failed(self, alertmanager: str, count: int) -> None:
        """``count`` notifications could not be delivered."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_ERRORS, amount=count)

    def dropped(self, alertmanager: str, count: int) -> None:
        """``count`` notifications were dropped."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_DROPPED, amount=count)

    def queued(self, alertmanager: str, length: int) -> None:
        """``length`` notifications are queued."""
        if (series := self._series(alertmanager)) is not None:
            series.set(NOTIFICATIONS_QUEUE, length)

    def firing(self, alerts: Mapping[str, int]) -> None:
        """So many alerts are firing, by name; none of those that are missing."""
        with self._lock:
            self._publish_firing(alerts)

    def _publish_firing(self, alerts: Mapping[str, int]) -> None:
        self._instruments.publish(ALERTS_FIRING, {(name,): alerts.get(name, 0) for name in self._alert_names})
