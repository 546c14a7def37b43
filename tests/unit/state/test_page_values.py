"""Pages out of chunks; whole searches are compared with an oracle in test_contents.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.common.sorted_chunks import Chunk
from exporter.state.cut import Bounds, Wanted
from exporter.state.distinct import Distinct
from exporter.state.page_values import by_few, in_order, page_of, same
from exporter.state.sorted_places import SortedPlaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.state.page_values import Find

WORDS = ["delta", "alpha", "charlie", "bravo"]


def length(word: str) -> float:
    return float(len(word))


BY_NAME: Find[str, None] = in_order(lambda _: SortedPlaces(WORDS), str)
BY_LENGTH: Find[str, None] = by_few(lambda _: Distinct(WORDS), length)


@pytest.mark.parametrize(
    ("find", "bounds", "expected"),
    [
        (same("x"), Bounds(descending=False), ([0, 1, 3], ["x", "x", "x"])),
        (same("x"), Bounds(descending=False, edge="x"), ([], [])),
        (BY_NAME, Bounds(descending=False, first="b", edge="d"), ([3], ["bravo"])),
        (BY_NAME, Bounds(descending=True, first="delta", edge="alpha"), ([0, 3], ["delta", "bravo"])),
        (BY_LENGTH, Bounds(descending=False, edge=7.0), ([0, 1, 3], [5.0, 5.0, 5.0])),
        (BY_LENGTH, Bounds(descending=True, edge=5.0), ([], [])),
    ],
)
def test_rows_within_bounds(find: Find[str, None], bounds: Bounds, expected: tuple[list[int], list[object]]) -> None:
    places, values = find(Chunk(WORDS), None, [0, 1, 3], bounds)
    assert ([*places], [*values]) == expected


def test_a_page_says_how_many_rows_there_are_and_where_the_next_one_begins() -> None:
    chunks = [Chunk(["a", "bb"]), Chunk(["ccc", "dd", "e"])]

    def portions(*, descending: bool = False) -> list[tuple[Chunk[str], None, range]]:
        every = [(chunk, None, range(len(chunk))) for chunk in chunks]
        return every[::-1] if descending else every

    def by_size(chunk: Chunk[str], _: None, at: Sequence[int], bounds: Bounds) -> tuple[list[int], list[float]]:
        found = [place for place in at if bounds.include(length(chunk[place]))]
        return found, [length(chunk[place]) for place in found]

    def key(word: str) -> tuple[str]:
        return (word,)

    total, rows = page_of(portions(), by_size, Wanted(limit=3), key)
    assert (total, rows) == (5, [((1.0, "a"), "a"), ((1.0, "e"), "e"), ((2.0, "bb"), "bb")])
    total, rows = page_of(portions(), by_size, Wanted(after=rows[-1][0], limit=3), key)
    assert (total, rows) == (5, [((2.0, "dd"), "dd"), ((3.0, "ccc"), "ccc")])
    total, rows = page_of(portions(descending=True), None, Wanted(descending=True, after=("dd",), limit=2), key)
    assert (total, rows) == (5, [(("ccc",), "ccc"), (("bb",), "bb")])
