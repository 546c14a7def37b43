"""Entries for alert rules that have ended stay for a while, with the value 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import ended as module
from exporter.metrics.deflate import Segment, compressed
from exporter.metrics.ended import EndedEntries

if TYPE_CHECKING:
    import pytest

SERIES = [b'x{a="1"}', b'x{a="2 3"}', b'x{a="\r"}']


def entries(*numbers: int, value: bytes = b"5.0") -> Segment:
    return compressed(b"".join(b"%b %b\n" % (SERIES[number], value) for number in numbers))


def update(ended: EndedEntries, ticks: float, *segments: Segment) -> bytes:
    return ended.update({"x": segments}, ticks)["x"].text


def test_an_entry_that_has_ended_is_exposed_for_fifteen_minutes() -> None:
    ended = EndedEntries()
    both = entries(0, 1)
    assert update(ended, 0.0, both) == b""
    assert update(ended, 60.0, both) == b""
    for ticks in (120.0, 1019.9):
        assert update(ended, ticks, entries(1)) == b'x{a="1"} 0.0\n'
        assert ended.counts() == (1, 0)
    assert update(ended, 1020.0, entries(1)) == b""
    assert ended.counts() == (0, 0)


def test_an_entry_whose_value_changes_has_not_ended() -> None:
    ended = EndedEntries()
    update(ended, 0.0, entries(0))
    assert update(ended, 1.0, entries(0, value=b"6.0")) == b""


def test_an_entry_that_returns_counts_again() -> None:
    ended = EndedEntries()
    update(ended, 0.0, entries(0))
    assert update(ended, 1.0) == b'x{a="1"} 0.0\n'
    assert update(ended, 2.0, entries(0, value=b"7.0")) == b""
    assert update(ended, 3.0) == b'x{a="1"} 0.0\n'


def test_an_entry_that_moves_to_another_segment_has_not_ended() -> None:
    ended = EndedEntries()
    update(ended, 0.0, entries(0, 1))
    assert update(ended, 1.0, entries(1), entries(0)) == b""


def test_a_family_that_is_switched_off_is_forgotten() -> None:
    ended = EndedEntries()
    update(ended, 0.0, entries(0))
    assert ended.update({}, 1.0) == {}
    assert update(ended, 2.0, entries(1)) == b""


def test_the_first_to_have_ended_are_dropped_if_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    ended = EndedEntries()
    update(ended, 0.0, entries(0, 1, 2))
    update(ended, 1.0, entries(1, 2))
    assert update(ended, 2.0) == b'x{a="\r"} 0.0\nx{a="2 3"} 0.0\n'
    assert ended.counts() == (2, 1)


@given(st.lists(st.tuples(st.floats(0, 400), st.sets(st.integers(0, 2))), max_size=12))
def test_each_scrape_has_the_entries_of_the_last_fifteen_minutes(steps: list[tuple[float, set[int]]]) -> None:
    ended, ticks = EndedEntries(), 0.0
    until: dict[int, float] = {}
    before: set[int] = set()
    for seconds, current in steps:
        ticks += seconds
        text = update(ended, ticks, entries(*sorted(current)))
        until.update(dict.fromkeys(before - current, ticks + 900))
        expected = {number for number, end in until.items() if end > ticks and number not in current}
        for number in current:
            until.pop(number, None)
        assert {*text.split(b"\n")[:-1]} == {SERIES[number] + b" 0.0" for number in expected}
        before = current
