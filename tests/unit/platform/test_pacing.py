from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import LeapingStop, ManualClock

from exporter.common.cancellation import Stop, StoppedError
from exporter.common.clock import SystemClock
from exporter.platform.pacing import Pacer


def test_requests_are_evenly_spaced() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(5, clock)
    for _ in range(6):
        pacer.acquire(stop)
    # the first at once, five more at 0.2 s each
    assert clock.monotonic() == pytest.approx(1001.0)


def test_without_a_limit_nothing_waits() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(None, clock)
    for _ in range(100):
        pacer.acquire(stop)
    assert stop.waits == []


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(1, clock)
    pacer.acquire(stop)
    clock.advance(100)
    pacer.acquire(stop)
    pacer.acquire(stop)
    assert stop.waits == [1.0]


def test_a_429_pauses_all_requests_and_halves_the_rate() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(4, clock)
    pacer.throttled(30)
    assert pacer.rate == 2
    pacer.acquire(stop)
    assert clock.monotonic() == pytest.approx(1030.0)


def test_429_answers_of_one_burst_count_once() -> None:
    clock = ManualClock()
    pacer = Pacer(8, clock)
    for _ in range(8):
        pacer.throttled(10)
    assert pacer.rate == 4
    clock.advance(10)
    pacer.throttled(10)
    assert pacer.rate == 2


def test_a_429_without_a_time_pauses_a_second() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(None, clock)
    pacer.throttled(None)
    pacer.acquire(stop)
    assert stop.waits == [1.0]


def test_accepted_requests_raise_the_rate_up_to_the_configured_one() -> None:
    clock = ManualClock()
    pacer = Pacer(10, clock)
    pacer.throttled(0)
    for _ in range(25):  # from 5, by 0.02 * 10 each: 5 + 25 * 0.2 = 10
        pacer.relaxed()
    assert pacer.rate == pytest.approx(10)
    pacer.relaxed()
    assert pacer.rate == 10


def test_a_stop_ends_the_wait() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(1, clock)
    pacer.acquire(stop)
    stop.set()
    with pytest.raises(StoppedError):
        pacer.acquire(stop)


@given(
    st.floats(min_value=0.001, max_value=1000),
    st.lists(st.sampled_from(["acquire", "throttled", "relaxed", "idle"]), max_size=60),
)
def test_the_rate_stays_within_its_limits(rate: float, steps: list[str]) -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(rate, clock)
    granted: list[float] = []
    for step in steps:
        match step:
            case "acquire":
                pacer.acquire(stop)
                granted.append(clock.monotonic())
            case "throttled":
                pacer.throttled(0.5)
            case "relaxed":
                pacer.relaxed()
            case _:
                clock.advance(0.3)
        assert pacer.rate is not None
        assert min(rate, 1 / 30) - 1e-9 <= pacer.rate <= rate
    gaps = [later - earlier for earlier, later in itertools.pairwise(granted)]
    assert all(gap >= 1 / rate - 1e-6 for gap in gaps)


def test_after_a_pause_waiting_requests_start_one_by_one() -> None:
    clock = SystemClock()
    pacer = Pacer(50, clock)
    stop = Stop()
    granted: list[float] = []
    lock = threading.Lock()

    def ask() -> None:
        pacer.acquire(stop)
        with lock:
            granted.append(clock.monotonic())

    workers = [threading.Thread(target=ask) for _ in range(12)]
    for worker in workers:
        worker.start()
    pacer.throttled(0.3)
    for worker in workers:
        worker.join()
    # the rate is 25 a second after the refusal: 11 or 12 requests need at least ten gaps of 40 ms
    late = sorted(granted)[1:]
    assert late[-1] - late[0] > 0.35


def test_a_429_never_raises_a_very_low_rate() -> None:
    pacer = Pacer(0.01, ManualClock())
    pacer.throttled(1)
    assert pacer.rate == 0.01
