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


def test_one_accepted_request_raises_a_lowered_rate_by_a_fiftieth_of_the_configured_one() -> None:
    pacer = Pacer(10, ManualClock())
    pacer.throttled(0)
    assert pacer.rate == 5
    pacer.relaxed()
    assert pacer.rate == pytest.approx(5.2)
    pacer.relaxed()
    assert pacer.rate == pytest.approx(5.4)


def test_the_rate_never_falls_below_one_request_in_30_seconds() -> None:
    clock = ManualClock()
    pacer = Pacer(5, clock)
    for _ in range(20):
        clock.advance(1)
        pacer.throttled(1)
    assert pacer.rate == pytest.approx(1 / 30)


def test_a_429_that_asks_for_no_pause_makes_none() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(None, clock)
    pacer.throttled(0)
    pacer.acquire(stop)
    assert stop.waits == []


def test_the_first_request_after_a_pause_keeps_the_distance_to_the_last_one_before_it() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(0.2, clock)
    pacer.acquire(stop)
    pacer.throttled(1)
    pacer.acquire(stop)
    # 0.2 requests a second, halved: 10 s from the request before, though the pause is over after 1 s
    assert clock.monotonic() == pytest.approx(1010.0)


def test_without_a_limit_a_429_halves_the_rate_of_the_last_10_seconds() -> None:
    clock = ManualClock()
    stop = LeapingStop(clock)
    pacer = Pacer(None, clock)
    for _ in range(30):  # one a second in the 30 seconds before
        pacer.acquire(stop)
        clock.advance(1)
    for _ in range(40):  # then eight a second for 5 seconds
        pacer.acquire(stop)
        clock.advance(0.125)
    pacer.throttled(1)
    # 40 and four of the slow ones were sent within 10 s, the first of them 9 s ago: 44 / 9, halved
    assert pacer.rate == pytest.approx(44 / 9 / 2)


def test_without_a_limit_the_rate_is_measured_from_the_first_request_on() -> None:
    clock = ManualClock(ticks=1.0)
    pacer = Pacer(None, clock)
    for _ in range(8):  # one in half a second, just after the machine was started
        pacer.acquire(LeapingStop(clock))
        clock.advance(0.5)
    pacer.throttled(1)
    assert pacer.rate == 8 / 4 / 2


@pytest.mark.parametrize(("requests", "rate"), [(0, 5.0), (1, 5.0), (2, 1.0), (3, 1.5)])
def test_without_a_limit_two_requests_are_needed_to_tell_the_rate(requests: int, rate: float) -> None:
    clock = ManualClock()
    pacer = Pacer(None, clock)
    for _ in range(requests):
        pacer.acquire(LeapingStop(clock))
    pacer.throttled(1)
    # 10 a second are assumed; requests of the same moment count as those of one second
    assert pacer.rate == rate
