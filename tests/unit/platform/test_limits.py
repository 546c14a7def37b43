from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.builders import LeapingStop, ManualClock

from exporter.common.cancellation import Stop, StoppedError
from exporter.platform.limits import AdmissionQueue, RequestLimits
from exporter.platform.pacing import Pacer


@dataclass
class FreePace:
    """Lets everything through; `broken` raises instead."""

    broken: bool = False
    calls: list[object] = field(default_factory=list)

    def acquire(self, stop: Stop) -> None:
        stop.check()
        if self.broken:
            raise ZeroDivisionError

    def throttled(self, retry_after: float | None) -> None:
        self.calls.append(("throttled", retry_after))

    def relaxed(self) -> None:
        self.calls.append("relaxed")


class QueueMachine(RuleBasedStateMachine):
    """Requests arrive, start, end and give up in any order."""

    places = 3

    def __init__(self) -> None:
        super().__init__()
        self.queue: AdmissionQueue[int] = AdmissionQueue(self.places)
        self.numbers = itertools.count()
        self.waiting: list[int] = []
        self.admitted: int | None = None
        self.under_way = 0

    def admits(self, waiter: int | None) -> None:
        if waiter is not None:
            assert self.admitted is None
            assert waiter == self.waiting.pop(0)
            self.admitted = waiter

    @rule()
    def enter(self) -> None:
        """Whoever can be admitted at once need not join the queue."""
        free = self.admitted is None and not self.waiting and self.under_way < self.places
        assert self.queue.enter() is free
        if free:
            self.admitted = next(self.numbers)

    @rule()
    def arrive(self) -> None:
        number = next(self.numbers)
        self.waiting.append(number)
        if self.queue.arrive(number):
            self.admits(number)

    @precondition(lambda self: self.admitted is not None)
    @rule()
    def start(self) -> None:
        self.admitted = None
        self.under_way += 1
        self.admits(self.queue.started())

    @precondition(lambda self: self.admitted is not None)
    @rule()
    def give_up(self) -> None:
        self.admitted = None
        self.admits(self.queue.gave_up())

    @precondition(lambda self: self.under_way > 0)
    @rule()
    def end(self) -> None:
        self.under_way -= 1
        self.admits(self.queue.ended())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        left = data.draw(st.sampled_from(self.waiting))
        assert self.queue.leave(left)
        self.waiting.remove(left)

    @precondition(lambda self: self.admitted is not None)
    @rule()
    def leaving_after_admission_is_too_late(self) -> None:
        assert self.admitted is not None
        assert not self.queue.leave(self.admitted)

    @invariant()
    def places_are_never_exceeded(self) -> None:
        assert self.under_way + (self.admitted is not None) <= self.places

    @invariant()
    def no_request_waits_without_a_reason(self) -> None:
        assert not self.waiting or self.admitted is not None or self.under_way == self.places


TestAdmissionQueue = QueueMachine.TestCase


@given(
    rate=st.floats(min_value=0.1, max_value=100),
    places=st.integers(min_value=1, max_value=4),
    requests=st.lists(
        st.tuples(st.floats(min_value=0, max_value=5), st.floats(min_value=0, max_value=20)), min_size=1, max_size=30
    ),
)
def test_rate_and_concurrency_are_never_exceeded_and_requests_start_in_order(
    rate: float, places: int, requests: list[tuple[float, float]]
) -> None:
    # A simulation: (seconds since the arrival before, seconds under way) for each request.
    clock = ManualClock()
    stop, pacer, queue = LeapingStop(clock), Pacer(rate, clock), AdmissionQueue[int](places)
    arrivals = list(itertools.accumulate((gap for gap, _ in requests), initial=clock.monotonic()))[1:]
    events = [(at, 0, number) for number, at in enumerate(arrivals)]  # 0: arrives, 1: ends
    started: dict[int, float] = {}
    ends: dict[int, float] = {}

    def admit(number: int | None) -> None:
        while number is not None:
            pacer.acquire(stop)
            started[number] = clock.monotonic()
            ends[number] = clock.monotonic() + requests[number][1]
            heappush(events, (ends[number], 1, number))
            under_way = sum(at <= clock.monotonic() < ends[one] for one, at in started.items())
            assert under_way <= places
            number = queue.started()

    while events:
        at, ending, number = heappop(events)
        clock.advance(max(0.0, at - clock.monotonic()))
        if ending:
            admit(queue.ended())
        elif queue.arrive(number):
            admit(number)
    assert list(started) == list(range(len(requests)))
    times = list(started.values())
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in itertools.pairwise(times))


def waiters(limits: RequestLimits, count: int, stop: Stop, done: list[str]) -> list[threading.Thread]:
    """Threads that queue up one after the other."""

    def wait(name: str) -> None:
        try:
            with limits.admit(stop):
                done.append(name)
        except StoppedError:
            done.append(f"{name} stopped")

    threads = []
    for number in range(count):
        thread = threading.Thread(target=wait, args=(str(number),))
        thread.start()
        threads.append(thread)
        while len(limits._queue._waiting) <= number:
            time.sleep(0.001)
    return threads


def test_threads_are_served_in_the_order_of_their_arrival() -> None:
    limits, done = RequestLimits(FreePace(), 1), list[str]()
    with limits.admit(Stop()):
        threads = waiters(limits, 5, Stop(), done)
    for thread in threads:
        thread.join(5)
    assert done == ["0", "1", "2", "3", "4"]


def test_a_stop_wakes_every_waiter_and_leaves_the_others_their_places() -> None:
    limits, done, stop = RequestLimits(FreePace(), 1), list[str](), Stop()
    with limits.admit(Stop()):
        threads = waiters(limits, 5, stop, done)
        stop.set()
        for thread in threads:
            thread.join(5)
        assert sorted(done) == [f"{number} stopped" for number in range(5)]
    with limits.admit(Stop()):
        pass
    assert not stop._children


def test_a_request_that_gets_no_turn_gives_its_place_back() -> None:
    pace = FreePace(broken=True)
    limits = RequestLimits(pace, 1)
    stopped = Stop()
    stopped.set()
    with pytest.raises(ZeroDivisionError), limits.admit(Stop()):
        pass
    with pytest.raises(StoppedError), limits.admit(stopped):
        pass
    pace.broken = False
    with pytest.raises(KeyError), limits.admit(Stop()):
        raise KeyError
    with limits.admit(Stop()):
        pass


def test_what_the_platform_says_about_the_rate_is_passed_on() -> None:
    pace = FreePace()
    limits = RequestLimits(pace, 1)
    limits.throttled(3.0)
    limits.relaxed()
    assert pace.calls == [("throttled", 3.0), "relaxed"]
