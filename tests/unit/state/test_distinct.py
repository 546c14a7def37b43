"""Columns with few different values."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.state import distinct
from exporter.state.distinct import Distinct


@pytest.mark.parametrize("byte", [256, 2])
@given(values=st.lists(st.integers(0, 5), max_size=30), wanted=st.sets(st.integers(0, 5)), data=st.data())
def test_places_are_found_by_what_their_values_mean(
    byte: int, values: list[int], wanted: set[int], data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from([range(len(values)), range(1, len(values)), [*range(0, len(values), 2)]]))
    with pytest.MonkeyPatch.context() as patch:
        # More different values than a byte can number.
        patch.setattr(distinct, "_BYTE", byte)
        column = Distinct(values)
        patch.undo()
        found = column.where(at, [one in wanted for one in column.values])
    assert [*column.marks([one in wanted for one in column.values])] == [one in wanted for one in values]
    assert [*found] == [place for place in at if values[place] in wanted]
    assert column.of(found, [one * 10 for one in column.values]) == [values[place] * 10 for place in found]


def test_a_place_takes_one_byte_unless_there_are_many_different_values() -> None:
    few, many = Distinct([number % 256 for number in range(2000)]), Distinct(range(2000))
    assert sys.getsizeof(few._numbers) < 2100
    assert many.of([0, 1999], many.values) == [0, 1999]
    assert many.where(range(2000), [one == 1999 for one in many.values]) == [1999]
