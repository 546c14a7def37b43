"""Cuts a page out of rows in any order, without sorting all of them."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.sorted_chunks import Key

Row = TypeVar("Row")
Other = TypeVar("Other")
Value: TypeAlias = float | str
_KEPT = 2
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that further rows of a page can have.

    Attributes:
        descending: whether the list is reversed.
        first: the first of them in the order of the page; None if there is no such bound.
        edge: the value before which all of them are; None if there is no such bound.
    """

    descending: bool
    first: Any = None
    edge: Any = None

    def include(self, value: Any) -> bool:
        """Whether a value is one of them."""
        first, edge = self.first, self.edge
        if self.descending:
            return (first is None or value <= first) and (edge is None or value > edge)
        return (first is None or value >= first) and (edge is None or value < edge)


class TopRows(Generic[Row]):
    """Collects the rows of a page by their values from rows in a basic order, which decides among equal values.

    Args:
        wanted: the page; `after` is the value of a row and its key in the basic order.
        key: the key in the basic order.

    Attributes:
        bounds: the values that further rows of the page can have. Of equal rows, the first ones are those of the page.
    """

    def __init__(self, wanted: Wanted, key: Callable[[Row], Key]) -> None:
        self._limit = wanted.limit
        self._key = key
        self._rows: list[tuple[Any, Row]] = []
        self._base = wanted
        self.bounds = Bounds(wanted.descending)
        if wanted.after is not None:
            first, *base = wanted.after
            self._base = replace(wanted, after=tuple(base))
            self.bounds = replace(self.bounds, first=first)

    def add(self, rows: Sequence[Row], at: Sequence[int], values: Sequence[Value]) -> None:
        """Add rows that follow those added before in the basic order, or precede them if the page is reversed.

        Args:
            rows: rows in the basic order.
            at: the places of those to add, in ascending order.
            values: their values, which are within the bounds.
        """
        if not at:
            return
        if self.bounds.first is not None and self.bounds.first in values:
            at, values = self._following(rows, at, values)
        pairs = list(zip(values, at, strict=True))
        if self.bounds.descending:
            pairs.reverse()
        limit = self._limit
        if limit is not None and len(pairs) > limit:
            pairs = self._sorted(pairs)[:limit]
        self._rows += [(value, rows[place]) for value, place in pairs]
        if limit is not None and len(self._rows) >= (limit if self.bounds.edge is None else _KEPT * limit):
            self._rows = self.page()
            self.bounds = replace(self.bounds, edge=self._rows[-1][0])

    def _following(
        self, rows: Sequence[Row], at: Sequence[int], values: Sequence[Value]
    ) -> tuple[Sequence[int], Sequence[Value]]:
        """Without rows of the first value that are not after the last page."""
        first = self.bounds.first
        if values.count(first) == len(values):
            at = self._base.following(rows, at, self._key)
            return at, values[: len(at)]
        equal = [place for place, value in zip(at, values, strict=True) if value == first]
        wanted = {*self._base.following(rows, equal, self._key)}
        left = [one for one in zip(at, values, strict=True) if one[1] != first or one[0] in wanted]
        return [place for place, _ in left], [value for _, value in left]

    def _sorted(self, pairs: list[tuple[Any, Other]]) -> list[tuple[Any, Other]]:
        # Equal values keep their order, also if the order is reversed.
        return sorted(pairs, key=_value, reverse=self.bounds.descending)

    def page(self) -> list[tuple[Any, Row]]:
        """The rows of the page with their values, in order."""
        return self._sorted(self._rows)[: self._limit]


_value = itemgetter(0)
