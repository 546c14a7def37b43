"""What the exporter counts about the alerts that it sends, in the manner of `prometheus_notifications_*`."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from typing import TYPE_CHECKING, Protocol

from exporter.metrics.families import (
    ALERTS_FIRING,
    NOTIFICATIONS_CAPACITY,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_ERRORS,
    NOTIFICATIONS_LATENCY,
    NOTIFICATIONS_QUEUE,
    NOTIFICATIONS_SENT,
    OWN_FAMILIES,
)
from exporter.metrics.instruments import LabelledSeries, instruments
from exporter.metrics.own import gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import CollectorRegistry


class FiringAlert(Protocol):
    """The part of an alert that is counted."""

    @property
    def labels(self) -> Iterable[tuple[str, str]]:
        """Names and values."""
        ...


class NotificationTelemetry:
    """Counters by Alertmanager.

    Args:
        registry: where the families go.
        internal_error: counts defects.
        capacity: how many alerts can wait for one Alertmanager.
    """

    def __init__(self, registry: CollectorRegistry, internal_error: Callable[[str], None], capacity: int) -> None:
        self.internal_error = internal_error
        self._by_alertmanager = instruments(OWN_FAMILIES, "alertmanager", registry)
        capacity_gauge = gauge(NOTIFICATIONS_CAPACITY, registry)
        capacity_gauge.set(capacity)
        self._firing = gauge(ALERTS_FIRING, registry)
        # Guards the fields below, and is held while _firing changes: a reload swaps the Alertmanagers while notifiers
        # and senders count.
        self._lock = threading.Lock()
        self._alertmanagers: dict[str, LabelledSeries] = {}
        self._alert_names: tuple[str, ...] = ()

    def watch(self, alertmanagers: Iterable[str], alert_names: Iterable[str]) -> None:
        """Start the series of these Alertmanagers at 0 and drop those of others, whoever still counts for them."""
        wanted = tuple(dict.fromkeys(alertmanagers))
        with self._lock:
            gone = [series for url, series in self._alertmanagers.items() if url not in wanted]
            new = {url: LabelledSeries("alertmanager", url, self._by_alertmanager) for url in wanted}
            new |= {url: series for url, series in self._alertmanagers.items() if url in wanted}
            begun = [series for url, series in new.items() if url not in self._alertmanagers]
            self._alertmanagers = new
            self._alert_names = tuple(alert_names) if wanted else ()
            self._firing.clear()
            self._set_firing(Tally())
        for series in gone:
            series.end()
        for series in begun:
            series.begin()

    def _series(self, alertmanager: str) -> LabelledSeries | None:
        with self._lock:
            return self._alertmanagers.get(alertmanager)

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch was taken, after so many seconds."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_SENT, amount=count)
            series.observe(NOTIFICATIONS_LATENCY, seconds)

    def failed(self, alertmanager: str, count: int) -> None:
        """So many notices could not be delivered."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_ERRORS, amount=count)

    def dropped(self, alertmanager: str, count: int) -> None:
        """So many notices were given up."""
        if (series := self._series(alertmanager)) is not None:
            series.inc(NOTIFICATIONS_DROPPED, amount=count)

    def queued(self, alertmanager: str, length: int) -> None:
        """So many notices are waiting."""
        if (series := self._series(alertmanager)) is not None:
            series.set(NOTIFICATIONS_QUEUE, length)

    def firing(self, alerts: Sequence[FiringAlert]) -> None:
        """These alerts fire now."""
        tally = Tally(dict(alert.labels)["alertname"] for alert in alerts)
        with self._lock:
            self._set_firing(tally)

    def _set_firing(self, tally: Tally[str]) -> None:
        for name in self._alert_names:
            self._firing.labels(name).set(tally[name])
