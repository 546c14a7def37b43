"""The families that the exporter fills about itself as metrics of prometheus_client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from exporter.metrics.families import OwnFamily


def counter(family: OwnFamily, registry: CollectorRegistry) -> Counter:
    """The family as a counter in the registry."""
    return Counter(family.name, family.help, family.labels, registry=registry)


def gauge(family: OwnFamily, registry: CollectorRegistry) -> Gauge:
    """The family as a gauge in the registry."""
    return Gauge(family.name, family.help, family.labels, registry=registry)


def histogram(family: OwnFamily, registry: CollectorRegistry) -> Histogram:
    """The family as a histogram in the registry, with the family's buckets."""
    return Histogram(family.name, family.help, family.labels, registry=registry, buckets=family.buckets)
