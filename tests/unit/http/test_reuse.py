from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ManualClock

from exporter.http.reuse import ReusePolicy


def test_at_first_a_connection_may_be_idle_for_fifty_seconds() -> None:
    assert ReusePolicy(ManualClock()).max_idle() == 50


@pytest.mark.parametrize(("idle", "patience"), [(0.0, None), (0.9, None), (1.0, 5.0), (40.0, 5.0)])
def test_the_wait_for_an_answer_is_short_if_the_connection_was_idle(idle: float, patience: float | None) -> None:
    assert ReusePolicy(ManualClock()).answer_timeout(10, idle) == patience


def test_after_a_dropped_connection_half_its_idle_time_is_the_limit_for_an_hour() -> None:
    clock = ManualClock()
    policy = ReusePolicy(clock)
    policy.record_dropped(10)
    assert policy.max_idle() == 5
    clock.advance(3599)
    assert policy.max_idle() == 5
    clock.advance(1)
    assert policy.max_idle() == 50


def test_after_a_slow_fresh_connection_the_wait_is_full_for_ten_minutes() -> None:
    clock = ManualClock()
    policy = ReusePolicy(clock)
    policy.record_slow()
    assert policy.answer_timeout(10, 30) is None
    clock.advance(600)
    assert policy.answer_timeout(10, 30) == 5


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=20))
def test_each_dropped_connection_shortens_the_idle_time_but_never_below_a_second(idles: list[float]) -> None:
    policy = ReusePolicy(ManualClock())
    before = policy.max_idle()
    for idle in idles:
        policy.record_dropped(idle)
        assert 1 <= policy.max_idle() <= before
        assert policy.max_idle() <= max(1, idle / 2)
        before = policy.max_idle()
