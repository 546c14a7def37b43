"""The sorted collection against a plain sorted list."""

from __future__ import annotations

import random
from functools import partial
from operator import gt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common import sorted_chunks
from exporter.common.sorted_chunks import SortedChunks

if TYPE_CHECKING:
    from collections.abc import Iterator


def by_value(item: int) -> tuple[float, ...]:
    return (item,)


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """So small that a few items need several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_chunks, "_LOAD", 8)
        patch.setattr(sorted_chunks, "_RUN", 5)
        yield


@given(st.lists(st.integers(-9, 9)), st.lists(st.tuples(st.booleans(), st.integers(-9, 9)), max_size=60))
def test_it_holds_what_a_sorted_list_holds(first: list[int], steps: list[tuple[bool, int]]) -> None:
    chunks, plain = SortedChunks(by_value, first), sorted(first)
    for adds, value in steps:
        if adds:
            chunks.add(value)
            plain = sorted([*plain, value])
        elif value in plain:
            chunks.remove(value)
            plain.remove(value)
        else:
            with pytest.raises(KeyError):
                chunks.remove(value)
        assert [*chunks] == chunks.copy() == plain
        assert len(chunks) == len(plain)
        assert all(item in chunks.chunk_of(item) for item in plain)
        assert chunks.leading(partial(gt, value)) == sum(item < value for item in plain)


def test_chunks_stay_small() -> None:
    chunks = SortedChunks(by_value)
    values = list(range(500))
    random.Random(1).shuffle(values)
    for value in values:
        chunks.add(value)
    # This bounds the work of a change.
    assert max(map(len, chunks._chunks)) < 16


def test_few_chunks_are_left_when_most_items_are_removed() -> None:
    values = list(range(800))
    chunks = SortedChunks(by_value, values)
    assert len(chunks._chunks) == 100
    for value in values:
        if value % 8:
            chunks.remove(value)
    assert [*chunks] == values[::8]
    # A chunk with fewer than two items is joined with the one before it.
    assert len(chunks._chunks) <= 50
    for value in values[::8]:
        chunks.remove(value)
    assert (len(chunks), [*chunks]) == (0, [])


def test_a_copy_is_of_its_own_and_a_replacement_keeps_nothing() -> None:
    chunks = SortedChunks(by_value, [3, 1, 2])
    copy = chunks.copy()
    chunks.replace([9, 8])
    assert (copy, [*chunks]) == ([1, 2, 3], [8, 9])
