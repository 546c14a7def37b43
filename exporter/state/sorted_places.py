"""The places of a chunk in the order of a value, so that a page of a list is found without a look at every row."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.state.cut import Bounds, Value

_FEW = 16
"""A place is looked up among others, which takes longer than in a set, if there are so many times more others."""


class SortedPlaces:
    """Places in the order of a value that each has.

    Args:
        values: the value of each place. They are not kept: there are hundreds of thousands, which others keep already.
    """

    __slots__ = ("_places",)

    def __init__(self, values: Sequence[Value]) -> None:
        every = range(len(values))
        places = sorted(every, key=values.__getitem__)
        # Often all have the same value, or are in order already.
        self._places: Sequence[int] = every if places == [*every] else array("H", places)

    def within(self, at: Sequence[int], bounds: Bounds, value_of: Callable[[int], Value]) -> Sequence[int]:
        """The places whose value is within bounds.

        Args:
            at: the places in question, in ascending order.
            bounds: the bounds.
            value_of: the value of a place, the same as at first.

        Returns:
            Those of ``at`` that are within the bounds, in ascending order.
        """
        places, first, edge = self._places, bounds.first, bounds.edge
        start, end = 0, len(places)
        if bounds.descending:
            end = end if first is None else bisect_right(places, first, key=value_of)
            start = start if edge is None else bisect_right(places, edge, 0, end, key=value_of)
        else:
            start = start if first is None else bisect_left(places, first, key=value_of)
            end = end if edge is None else bisect_left(places, edge, start, key=value_of)
        if end - start == len(places):
            return at
        found = sorted(places[start:end])
        return found if len(at) == len(places) else _common(found, at)


def _common(found: list[int], at: Sequence[int]) -> list[int]:
    """The places in both sequences, which are in ascending order."""
    if isinstance(at, range):
        return found[bisect_left(found, at.start) : bisect_left(found, at.stop)]
    if len(found) * _FEW > len(at):
        asked = {*at}
        return [place for place in found if place in asked]
    return [place for place in found if (next_at := bisect_left(at, place)) < len(at) and at[next_at] == place]
