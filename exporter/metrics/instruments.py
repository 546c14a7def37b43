"""Own families as metrics of prometheus_client, and the series that end with what they describe."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from exporter.metrics.families import Kind
from exporter.metrics.own import counter, gauge, histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import CollectorRegistry

    from exporter.metrics.families import OwnFamily

Instrument = Counter | Gauge | Histogram


def instruments(families: Iterable[OwnFamily], label: str, registry: CollectorRegistry) -> dict[OwnFamily, Instrument]:
    """All families among these that carry the label, in the registry."""
    return {family: _instrument(family, registry) for family in families if label in family.labels}


def _instrument(family: OwnFamily, registry: CollectorRegistry) -> Instrument:
    match family.kind:
        case Kind.COUNTER:
            return counter(family, registry)
        case Kind.GAUGE:
            return gauge(family, registry)
        case Kind.HISTOGRAM:
            return histogram(family, registry)


class LabelledSeries:
    """All series that carry one value of a label, such as those of one organization.

    They begin together at 0 and end together. After the end nothing brings one of them back: what a late thread counts
    goes nowhere.

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
        """Start every series whose labels are known beforehand at 0."""
        with self._lock:
            self._live = True
            for family in self._instruments:
                if len(family.known) == len(family.labels) - 1:
                    for values in itertools.product(*family.known):
                        self._child(family, values)

    def end(self) -> None:
        """Drop all series."""
        with self._lock:
            if not self._live:
                return  # by now others may have series with this value
            self._live = False
            self._children.clear()
            for instrument in self._instruments.values():
                instrument.remove_by_labels({self._label: self._value})

    def inc(self, family: OwnFamily, *values: str, amount: float = 1.0) -> None:
        """Count; ``values`` are those of the family's other labels in their order."""
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
