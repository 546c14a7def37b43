"""The state of the store as samples for a Prometheus registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter.metrics.families import ORGANIZATION_FAMILIES, USER_FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from exporter.clock import Clock
    from exporter.config.schema import Metrics
    from exporter.store import Store


class StateCollector(Collector):
    """Collects the families about users and organizations, all at one time and from one view of the store.

    Args:
        store: what is known.
        switches: the `metrics` section in force, asked for at each scrape.
        clock: the time that relative values and states are worked out for.
    """

    def __init__(self, store: Store, switches: Callable[[], Metrics], clock: Clock) -> None:
        self._store = store
        self._switches = switches
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that registering needs no view."""
        for family in (*USER_FAMILIES, *ORGANIZATION_FAMILIES):
            yield GaugeMetricFamily(family.name, family.help, labels=family.labels)

    def collect(self) -> Iterator[Metric]:
        """All enabled families; those without samples are left out by the writers' callers, not here."""
        view = self._store.view()
        now = self._clock.now()
        switches = self._switches()
        for family in USER_FAMILIES:
            if not family.enabled(switches):
                continue
            metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for organization in view.organizations:
                for state in organization.users:
                    for labels, value in family.samples(organization.name, state, now):
                        metric.add_metric(labels, value)
            yield metric
        for by_organization in ORGANIZATION_FAMILIES:
            metric = GaugeMetricFamily(by_organization.name, by_organization.help, labels=by_organization.labels)
            for organization in view.organizations:
                for labels, value in by_organization.samples(organization):
                    metric.add_metric(labels, value)
            yield metric
