"""Until when what was found at a point in time stays true."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW

from exporter.alerts.instant import Instant
from exporter.common.text import expiry_words
from exporter.model.token import NEVER

JUST_AFTER = math.nextafter(NOW, NEVER)


def test_a_time_is_reached_at_that_time_and_passed_after_it() -> None:
    at = Instant(NOW)
    assert (at.reached(NOW - 1), at.reached(NOW), at.passed(NOW - 1)) == (True, True, True)
    assert at.until == NEVER
    assert not at.reached(NOW + 5)
    assert at.until == NOW + 5
    assert not at.passed(NOW + 3)
    assert at.until == NOW + 3
    assert not at.passed(NOW)
    assert at.until == JUST_AFTER


@pytest.mark.parametrize(
    ("expiry", "until"),
    [
        # "expires in 13d" until 13 days are left, and "in 5h" until 5 hours are
        (NOW + 13 * DAY + HOUR, NOW + HOUR),
        (NOW + 6 * HOUR - 60, NOW + HOUR - 60),
        (NOW + 0.5, NOW + 0.5),
        # "expired 0s ago" for a second, "23h ago" until a day has passed
        (NOW, NOW + 1),
        (NOW - 23 * HOUR, NOW + HOUR),
    ],
)
def test_words_hold_until_the_next_whole_unit(expiry: float, until: float) -> None:
    at = Instant(NOW)
    at.words_about(expiry)
    assert until - 1e-5 < at.until <= until


def test_words_about_never_hold_for_ever() -> None:
    at = Instant(NOW)
    at.words_about(NEVER)
    assert at.until == NEVER


@given(st.floats(-1e8, 1e8), st.floats(0, 1))
def test_the_words_do_not_change_before(distance: float, part: float) -> None:
    expiry = NOW + distance
    at = Instant(NOW)
    at.words_about(expiry)
    assert at.until > NOW
    later = min(NOW + part * (at.until - NOW), math.nextafter(at.until, 0))
    if expiry > NOW:
        later = min(later, math.nextafter(expiry, 0))
    assert expiry_words(expiry, later) == expiry_words(expiry, NOW)
