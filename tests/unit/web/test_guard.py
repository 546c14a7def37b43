"""Rows that cannot be made."""

from __future__ import annotations

from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.web.guard import Guard


def test_rows_that_cannot_be_made_are_left_out_and_counted_once_for_each_user() -> None:
    refusals = CountedRefusals(ManualClock())
    guard = Guard(refusals)
    for _ in range(2):
        made = guard.made([1, 0, 2, 0, -0.0], lambda number: 1 / number, lambda number: ("acme", str(number)))
        assert made == [1.0, 0.5]
    # 0 and -0.0 are about users with the ids "0" and "-0.0".
    assert refusals.internal_errors == {"render": 2}
