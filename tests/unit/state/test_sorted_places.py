from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.state.cut import Bounds
from exporter.state.sorted_places import SortedPlaces

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = st.text("ab\0", max_size=3)


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[str], Sequence[int]]:
    """Some texts, and places in ascending order, as a range or a list."""
    texts = draw(st.lists(TEXTS, max_size=60))
    bounds = st.integers(0, len(texts))
    start, stop = sorted((draw(bounds), draw(bounds)))
    places = draw(st.sets(st.integers(0, len(texts) - 1))) if texts else set()
    return texts, draw(st.sampled_from([range(len(texts)), range(start, stop), sorted(places)]))


@given(texts_and_places=asked(), first=st.none() | TEXTS, edge=st.none() | TEXTS, descending=st.booleans())
def test_it_finds_what_a_look_at_every_place_finds(
    texts_and_places: tuple[list[str], Sequence[int]], first: str | None, edge: str | None, *, descending: bool
) -> None:
    texts, at = texts_and_places
    bounds = Bounds(descending, first, edge)
    found = SortedPlaces(texts).within(at, bounds, texts.__getitem__)
    assert [*found] == [place for place in at if bounds.include(texts[place])]


def test_a_few_places_are_looked_up_among_many() -> None:
    texts = [f"{number:03}" for number in range(200)][::-1]
    even = [*range(1, 200, 2)]
    places = SortedPlaces(texts)
    # The place of a text is 199 minus its number.
    assert places.within(even, Bounds(descending=False, first="100", edge="105"), texts.__getitem__) == [95, 97, 99]
    assert places.within(even, Bounds(descending=True, first="104", edge="099"), texts.__getitem__) == [95, 97, 99]
    assert places.within(even, Bounds(descending=False, first="199"), texts.__getitem__) == []


def test_values_that_are_the_same_or_in_order_need_no_memory() -> None:
    for values in (["a"] * 500, [f"{number:03}" for number in range(500)], list[str]()):
        assert isinstance(SortedPlaces(values)._places, range)
    assert not isinstance(SortedPlaces(["b", "a"])._places, range)
