"""Limits the requests in flight, and decides when the next one may start.

A request waits for both before its time limit starts, so that it never times out because of other requests.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from exporter.common.cancellation import Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

W = TypeVar("W")


class Pace(Protocol):
    """Spaces requests in time."""

    def acquire(self, stop: Stop) -> None:
        """Wait until the next request may start; raises `StoppedError`."""
        ...

    def throttled(self, retry_after: float | None) -> None:
        """The platform asked to slow down, for this many seconds if it named a time."""
        ...

    def relaxed(self) -> None:
        """A request was not rate limited."""
        ...


class AdmissionQueue(Generic[W]):
    """Decides who may start next, in order of arrival. Not thread-safe and never waits: its owner does both.

    A request takes one of the places first and then, alone, waits for its turn by the rate. Only one request at a time
    waits for the rate, so that requests start in the order in which they arrived.

    Args:
        places: limit for the requests in flight.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._pacing = False
        self._waiting: deque[W] = deque()

    def arrive(self, waiter: W) -> bool:
        """Join the queue; True if the waiter is admitted at once."""
        self._waiting.append(waiter)
        return self._next() is waiter

    def enter(self) -> bool:
        """Be admitted at once if nothing has to be waited for; False if the queue must be joined instead."""
        if self._pacing or not self._free or self._waiting:
            return False
        self._pacing = True
        self._free -= 1
        return True

    def started(self) -> W | None:
        """The admitted request starts, its wait for the rate is over; the waiter that is admitted now, if any."""
        self._pacing = False
        return self._next()

    def ended(self) -> W | None:
        """A request that had started ended; the waiter that is admitted now, if any."""
        self._free += 1
        return self._next()

    def gave_up(self) -> W | None:
        """The admitted request will not start; the waiter that is admitted now, if any."""
        self._pacing = False
        return self.ended()

    def leave(self, waiter: W) -> bool:
        """Leave the queue; False if the waiter was already admitted."""
        try:
            self._waiting.remove(waiter)
        except ValueError:
            return False
        return True

    def _next(self) -> W | None:
        if self._pacing or not self._free or not self._waiting:
            return None
        self._pacing = True
        self._free -= 1
        return self._waiting.popleft()


class Admission:
    """The context of a request in flight. A class, which costs less than a generator: there is one for each request.

    Args:
        limits: the limits of the request.
        stop: ends the wait.
    """

    __slots__ = ("_limits", "_stop")

    def __init__(self, limits: RequestLimits, stop: Stop) -> None:
        self._limits = limits
        self._stop = stop

    def __enter__(self) -> None:
        self._limits.start(self._stop)

    def __exit__(self, *_: object) -> None:
        self._limits.end()


class RequestLimits:
    """The limits of one organization's requests: rate and concurrency. Threads share it.

    Args:
        pace: spaces the requests in time.
        concurrency: limit for the requests in flight.
    """

    def __init__(self, pace: Pace, concurrency: int) -> None:
        self._pace = pace
        # Guards _queue: all threads that send requests to the platform pass through here.
        self._lock = threading.Lock()
        # A waiter is a child of the request's stop, so that admission and the stop both end its wait.
        self._queue: AdmissionQueue[Stop] = AdmissionQueue(concurrency)

    def admit(self, stop: Stop) -> Admission:
        """A context in which a request is in flight; entering it waits until the request may start.

        Raises:
            StoppedError: when it is entered: the stop ended the wait.
        """
        return Admission(self, stop)

    def start(self, stop: Stop) -> None:
        """Wait until a request may start; raises `StoppedError`. Each start must be followed by `end`."""
        self._wait_for_place(stop)
        try:
            self._pace.acquire(stop)
        except BaseException:
            self._admit_next(self._queue.gave_up)
            raise
        self._admit_next(self._queue.started)

    def end(self) -> None:
        """A request has ended."""
        self._admit_next(self._queue.ended)

    def throttled(self, retry_after: float | None) -> None:
        """The platform asked to slow down, for this many seconds if it named a time."""
        self._pace.throttled(retry_after)

    def relaxed(self) -> None:
        """A request was not rate limited."""
        self._pace.relaxed()

    def _wait_for_place(self, stop: Stop) -> None:
        with self._lock:
            if self._queue.enter():
                return
        waiter = Stop(stop)
        try:
            with self._lock:
                if self._queue.arrive(waiter):
                    return
            waiter.wait(None)
            with self._lock:
                if self._queue.leave(waiter):
                    raise StoppedError
        finally:
            waiter.release()

    def _admit_next(self, change: Callable[[], Stop | None]) -> None:
        with self._lock:
            admitted = change()
        if admitted is not None:
            admitted.set()
