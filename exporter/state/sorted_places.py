"""The places of a chunk in the order of a text, so that a page of a list is found without a look at every row."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 16
"""A place is looked up among others, which takes longer than in a set, if there are so many times more others."""


class SortedPlaces:
    """Places in the order of a text that each has, those with the same text in ascending order.

    Args:
        texts: the text of each place; must not change.
    """

    __slots__ = ("_places", "_texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._places = array("H", sorted(range(len(texts)), key=texts.__getitem__))

    def within(self, at: Sequence[int], low: str | None, high: str | None) -> Sequence[int]:
        """The places whose text is in a range.

        Args:
            at: the places in question, in ascending order.
            low: the first text of the range; None if it has no begin.
            high: the last text of the range; None if it has no end.

        Returns:
            Those of ``at`` that are in the range, in ascending order.
        """
        places, text_of = self._places, self._texts.__getitem__
        start = 0 if low is None else bisect_left(places, low, key=text_of)
        end = len(places) if high is None else bisect_right(places, high, key=text_of)
        if end - start >= len(places):
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
