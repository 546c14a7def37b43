from __future__ import annotations

import math

import pytest

from exporter.model.times import is_time


@pytest.mark.parametrize(
    ("epoch", "good"),
    [
        (0.0, True),
        (1_780_272_000.0, True),
        (253_402_300_799.9, True),  # the last second of the year 9999
        (253_402_300_800.0, False),
        (-0.1, False),
        (math.nan, False),
        (math.inf, False),
        (-math.inf, False),
    ],
)
def test_times_are_from_1970_to_9999(epoch: float, good: bool) -> None:  # noqa: FBT001
    assert is_time(epoch) is good
