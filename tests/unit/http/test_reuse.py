from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ManualClock

from exporter.http.reuse import ReusePolicy


def test_at_first_a_connection_may_be_idle_for_fifty_seconds() -> None:
    assert ReusePolicy(ManualClock()).max_idle() == 50


@pytest.mark.parametrize(("idle", "patience"), [(0.0, None), (0.9, None), (1.0, 5.0), (40.0, 5.0)])
def test_silence_is_suspicious_where_the_connection_was_idle(idle: float, patience: float | None) -> None:
    assert ReusePolicy(ManualClock()).answer_timeout(10, idle) == patience


def test_what_was_forgotten_after_some_time_is_used_for_half_of_that_time_for_an_hour() -> None:
    clock = ManualClock()
    policy = ReusePolicy(clock)
    policy.record_dropped(10)
    assert policy.max_idle() == 5
    clock.advance(3599)
    assert policy.max_idle() == 5
    clock.advance(1)
    assert policy.max_idle() == 50


def test_where_a_fresh_connection_is_silent_too_there_is_no_suspicion_for_ten_minutes() -> None:
    clock = ManualClock()
    policy = ReusePolicy(clock)
    policy.record_slow()
    assert policy.answer_timeout(10, 30) is None
    clock.advance(600)
    assert policy.answer_timeout(10, 30) == 5


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=20))
def test_each_forgotten_connection_shortens_the_time_but_never_below_a_second(idles: list[float]) -> None:
    policy = ReusePolicy(ManualClock())
    before = policy.max_idle()
    for idle in idles:
        policy.record_dropped(idle)
        assert 1 <= policy.max_idle() <= before
        assert policy.max_idle() <= max(1, idle / 2)
        before = policy.max_idle()
