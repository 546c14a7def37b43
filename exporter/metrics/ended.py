"""Keeps the series of entries for alert rules that have ended for a while, with the value `ENDED`.

Rules look a few minutes back, so that missed scrapes resolve nothing. Without a last sample that ends it, they would
find an entry again that is gone: that of a deleted token, of an old name or of an owner that has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.deflate import compressed
from exporter.metrics.families.alerts import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.metrics.deflate import Segment

KEPT_FOR = 900.0
"""Seconds for which an ended entry is exposed: longer than rules look back."""
MOST = 50_000
"""Ended entries of one family that are exposed; the first to have ended are dropped."""
_VALUE = f" {ENDED}\n".encode()


class _Family:
    """The entries of one family."""

    def __init__(self) -> None:
        self.segments: tuple[Segment, ...] = ()
        # In the order of their end, so also in that of the time, in monotonic seconds, until which they are kept.
        self.ended: dict[bytes, float] = {}
        self.dropped = 0
        self.segment = compressed(b"")

    def update(self, segments: Sequence[Segment], ticks: float) -> None:
        """Compare the entries with those of the last scrape."""
        before, self.segments = self.segments, tuple(segments)
        known, current = {id(one) for one in before}, {id(one) for one in segments}
        added = _series(one for one in segments if id(one) not in known)
        removed = _series(one for one in before if id(one) not in current) - added
        outdated = [series for series, until in self.ended.items() if until <= ticks or series in added]
        if not removed and not outdated:
            return
        for series in outdated:
            del self.ended[series]
        for series in sorted(removed):
            self.ended[series] = ticks + KEPT_FOR
        surplus = len(self.ended) - MOST
        for series in list(self.ended)[: max(surplus, 0)]:
            del self.ended[series]
            self.dropped += 1
        self.segment = compressed(b"".join([series + _VALUE for series in self.ended]))


class EndedEntries:
    """The ended entries of all families. One thread at a time."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def update(self, segments: Mapping[str, Sequence[Segment]], ticks: float) -> dict[str, Segment]:
        """The lines of the ended entries, by family.

        Args:
            segments: for each family that is exposed, its entries in this scrape. A segment of the last scrape has the
                same entries.
            ticks: monotonic seconds.
        """
        for name in self._families.keys() - segments.keys():
            del self._families[name]
        for name, some in segments.items():
            self._families.setdefault(name, _Family()).update(some, ticks)
        return {name: family.segment for name, family in self._families.items()}

    def counts(self) -> tuple[int, int]:
        """How many ended entries are exposed, and how many were dropped before their time."""
        families = self._families.values()
        return sum(len(one.ended) for one in families), sum(one.dropped for one in families)


def _series(segments: Iterable[Segment]) -> set[bytes]:
    """Name and labels of each line."""
    # Not `splitlines`: a label may contain a carriage return.
    return {line.rpartition(b" ")[0] for one in segments for line in one.text.split(b"\n")[:-1]}
