from __future__ import annotations

import pytest

from exporter.cluster.budget import Budget


def test_outside_a_call_nothing_is_limited() -> None:
    budget = Budget()
    budget.received(1 << 40)
    assert (budget.wait(None), budget.wait(7.0)) == (None, 7.0)


def test_a_wait_is_never_longer_than_the_time_of_the_call() -> None:
    budget = Budget()
    with budget.limited(60.0, 10):
        left = budget.wait(None)
        assert left is not None
        assert 0 < left <= 60
        assert (budget.wait(1.0), budget.wait(0)) == (1.0, 0)
    assert budget.wait(None) is None


def test_a_call_without_time_left_is_a_timeout() -> None:
    budget = Budget()
    with budget.limited(0.0, 10), pytest.raises(TimeoutError, match="the call took too long"):
        budget.wait(1.0)


def test_a_call_may_receive_its_bytes_and_no_more() -> None:
    budget = Budget()
    with budget.limited(60.0, 10):
        budget.received(10)
        with pytest.raises(OSError, match="too large"):
            budget.received(1)
