from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1h30m", 5400),
        ("14d", 1_209_600),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
        ("1d12h", 129_600),
        ("250ms", 0.25),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_durations_of_prometheus_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1.5h", "30m1h", "1h1h", "-5s", "5 s", "5S", "1h ", "٣s", "101y"])
def test_durations_that_prometheus_refuses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=100 * 365 * 86_400_000))
def test_formatted_durations_can_be_parsed(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


def test_weeks_are_formatted_as_days() -> None:
    assert format_duration(1_209_600) == "14d"
