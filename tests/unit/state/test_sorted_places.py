from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

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


@given(asked(), st.none() | TEXTS, st.none() | TEXTS)
def test_it_finds_what_a_look_at_every_place_finds(
    texts_and_places: tuple[list[str], Sequence[int]], low: str | None, high: str | None
) -> None:
    texts, at = texts_and_places
    found = SortedPlaces(texts).within(at, low, high)
    assert [*found] == [
        place for place in at if (low is None or texts[place] >= low) and (high is None or texts[place] <= high)
    ]


def test_a_few_places_are_looked_up_among_many() -> None:
    texts = [f"{number:03}" for number in range(200)]
    even = [*range(0, 200, 2)]
    assert SortedPlaces(texts).within(even, "100", "104") == [100, 102, 104]
    assert SortedPlaces(texts).within(even, "199", None) == []
