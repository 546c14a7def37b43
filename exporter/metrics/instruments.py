"""The exporter's own metrics, counted by the family's declaration: ``instruments.inc(STORAGE_ERRORS)``."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from exporter.metrics.families import OWN_FAMILIES, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.metrics.families.base import OwnFamily

Instrument = Counter | Gauge | Histogram


class Instruments:
    """All metrics that the exporter counts about itself, in a registry with the usual process and Python families.

    To add one, declare it in `exporter.metrics.families` and pass the declaration to `inc`, `set` or `observe`. Series
    whose labels are known in advance start at 0, those of an optional family with their first value. Families with a
    label whose values come and go, such as `organization`, are counted through `labelled`.

    Args:
        families: the declarations.
    """

    def __init__(self, families: Iterable[OwnFamily] = OWN_FAMILIES) -> None:
        # Without this, Prometheus would store a `_created` series beside each counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        # Guards the fields below.
        self._lock = threading.Lock()
        self._instruments: dict[str, Instrument] = {}
        self._published: dict[str, frozenset[tuple[str, ...]]] = {}
        self._families = tuple(families)
        for family in self._families:
            if not family.optional:
                self._start(family)

    def inc(self, family: OwnFamily, *labels: str, amount: float = 1.0) -> None:
        """Increase a counter; ``labels`` are the values of the family's labels in their order."""
        if isinstance(child := self._child(family, labels), Counter | Gauge):
            child.inc(amount)

    def set(self, family: OwnFamily, value: float, *labels: str) -> None:
        """Set a gauge."""
        if isinstance(child := self._child(family, labels), Gauge):
            child.set(value)

    def observe(self, family: OwnFamily, value: float, *labels: str) -> None:
        """Add an observation to a histogram."""
        if isinstance(child := self._child(family, labels), Histogram):
            child.observe(value)

    def publish(self, family: OwnFamily, values: Mapping[tuple[str, ...], float]) -> None:
        """Set all series of a gauge by their labels, and drop those that an earlier call set and this one does not."""
        instrument = self._start(family)
        with self._lock:
            for labels in self._published.get(family.name, frozenset()) - values.keys():
                instrument.remove(*labels)
            for labels, value in values.items():
                if isinstance(child := instrument.labels(*labels), Gauge):
                    child.set(value)
            self._published[family.name] = frozenset(values)

    def labelled(self, label: str, value: str) -> LabelledSeries:
        """All series with one value of a label, such as those of one organization; they start with `begin`."""
        instruments = {family: self._start(family) for family in self._families if label in family.labels}
        return LabelledSeries(label, value, instruments)

    def _child(self, family: OwnFamily, labels: tuple[str, ...]) -> Instrument:
        instrument = self._instruments.get(family.name)
        if instrument is None:
            instrument = self._start(family)
        return instrument.labels(*labels) if labels else instrument

    def _start(self, family: OwnFamily) -> Instrument:
        """The metric of a family; it is registered, with its known series at 0, by the first call."""
        with self._lock:
            if (instrument := self._instruments.get(family.name)) is None:
                instrument = self._instruments[family.name] = _instrument(family, self.registry)
                if family.labels and len(family.known) == len(family.labels):
                    for labels in itertools.product(*family.known):
                        instrument.labels(*labels)
            return instrument


def _instrument(family: OwnFamily, registry: CollectorRegistry) -> Instrument:
    match family.kind:
        case Kind.COUNTER:
            return Counter(family.name, family.help, family.labels, registry=registry)
        case Kind.GAUGE:
            return Gauge(family.name, family.help, family.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(family.name, family.help, family.labels, registry=registry, buckets=family.buckets)


class LabelledSeries:
    """All series that carry one value of a label, such as those of one organization.

    They begin together at 0 and end together. After the end none of them comes back: what a late thread counts is
    dropped.

    Args:
        label: the label's name.
        value: its value.
        instruments: every family with that label.
    """

    def __init__(self, label: str, value: str, instruments: Mapping[OwnFamily, Instrument]) -> None:
        self._label = label
        self._value = value
        self._instruments = instruments
        # Guards the fields below, and is held while a series is changed: so none is changed after the end.
        self._lock = threading.Lock()
        self._live = False
        self._children: dict[tuple[str, tuple[str, ...]], Instrument] = {}

    def begin(self) -> None:
        """Start every series whose labels are known in advance at 0."""
        with self._lock:
            self._live = True
            for family in self._instruments:
                if len(family.known) == len(family.labels) - 1:
                    for values in itertools.product(*family.known):
                        self._child(family, values)

    def end(self) -> None:
        """Drop all series. Does nothing if they have ended already: others may have series with this value by now."""
        with self._lock:
            if not self._live:
                return
            self._live = False
            self._children.clear()
            for instrument in self._instruments.values():
                instrument.remove_by_labels({self._label: self._value})

    def inc(self, family: OwnFamily, *values: str, amount: float = 1.0) -> None:
        """Increase a counter; ``values`` are those of the family's other labels in their order."""
        with self._lock:
            if self._live and isinstance(child := self._child(family, values), Counter | Gauge):
                child.inc(amount)

    def set(self, family: OwnFamily, value: float, *values: str) -> None:
        """Set a gauge."""
        with self._lock:
            if self._live and isinstance(child := self._child(family, values), Gauge):
                child.set(value)

    def observe(self, family: OwnFamily, value: float, *values: str) -> None:
        """Add an observation to a histogram."""
        with self._lock:
            if self._live and isinstance(child := self._child(family, values), Histogram):
                child.observe(value)

    def _child(self, family: OwnFamily, values: tuple[str, ...]) -> Instrument:
        child = self._children.get((family.name, values))
        if child is None:
            others = iter(values)
            labels = [self._value if name == self._label else next(others) for name in family.labels]
            child = self._children[family.name, values] = self._instruments[family].labels(*labels)
        return child
