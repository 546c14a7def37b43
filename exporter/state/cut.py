"""Cuts a page out of rows in any order, without sorting all of them."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.sorted_chunks import Key

Row = TypeVar("Row")
Value: TypeAlias = float | str
_KEPT = 8
"""Rows are sorted when there are so many times more of them than a page has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of a list.

    Attributes:
        descending: whether the list is reversed.
        after: the key of the row after which the page begins; None for the first page.
        limit: the largest number of rows; None for all.
    """

    descending: bool = False
    after: Key | None = None
    limit: int | None = 100

    def sort(self, rows: Iterable[Row], key: Callable[[Row], Key]) -> list[Row]:
        """The page of rows in any order."""
        if (after := self.after) is not None:
            descending = self.descending
            rows = [row for row in rows if (key(row) < after if descending else key(row) > after)]
        if self.limit is None:
            return sorted(rows, key=key, reverse=self.descending)
        return (heapq.nlargest if self.descending else heapq.nsmallest)(self.limit, rows, key=key)

    def following(self, rows: Sequence[Row], at: Sequence[int], key: Callable[[Row], Key]) -> Sequence[int]:
        """The places after the last page.

        Args:
            rows: rows that are sorted by the key.
            at: places among them, in ascending order.
            key: the key; `after` is such a key.
        """
        if self.after is None or not at:
            return at
        if self.descending:
            return at[: bisect_left(at, self.after, key=lambda place: key(rows[place]))]
        return at[bisect_right(at, self.after, key=lambda place: key(rows[place])) :]

    def first(self, at: Sequence[int]) -> Sequence[int]:
        """As many places as a page has at most, of places in ascending order."""
        if self.limit is None:
            return at
        return at[max(0, len(at) - self.limit) :] if self.descending else at[: self.limit]


class TopRows:
    """Collects the rows of a page by their values from rows in a basic order. Most rows only cost a comparison.

    Args:
        wanted: the page; rows up to `after` are not added.

    Attributes:
        edge: the last value that further rows of the page can have; None as long as any value can be.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._descending = wanted.descending
        self._limit = wanted.limit
        self._rows: list[tuple[Any, int, Any]] = []
        self._seen = 0
        self.edge: Any = None

    def add(self, rows: Sequence[Row], at: Sequence[int], values: Sequence[Value]) -> None:
        """Add rows that follow those added before in the basic order.

        Args:
            rows: rows.
            at: the places of those to add.
            values: their values.
        """
        limit, edge, descending = self._limit, self.edge, self._descending
        pairs: list[tuple[Any, int]]
        # Of equal rows the first ones are the first of the page; the last ones if it is reversed. A loop for each case,
        # since most rows are left out here.
        if edge is None or limit is None:
            pairs = list(zip(values, at, strict=True))
        elif descending:
            equal = [place for value, place in zip(values, at, strict=True) if value == edge]
            pairs = [(edge, place) for place in equal[-limit:]]
            pairs += [(value, place) for value, place in zip(values, at, strict=True) if value > edge]
        else:
            pairs = [(value, place) for value, place in zip(values, at, strict=True) if value < edge]
        if limit is not None and len(pairs) > limit:
            pairs = (heapq.nlargest if descending else heapq.nsmallest)(limit, pairs)
        seen = self._seen
        self._rows += [(value, seen + place, rows[place]) for value, place in pairs]
        self._seen += len(rows)
        if limit is not None and len(self._rows) > _KEPT * limit:
            self._cut(limit)

    def _cut(self, limit: int) -> None:
        self._rows.sort(key=lambda row: row[:2], reverse=self._descending)
        del self._rows[limit:]
        if self._rows:
            self.edge = self._rows[-1][0]

    def page(self) -> list[tuple[Any, Any]]:
        """The rows of the page with their values, in order."""
        self._cut(len(self._rows) if self._limit is None else self._limit)
        return [(value, row) for value, _, row in self._rows]
