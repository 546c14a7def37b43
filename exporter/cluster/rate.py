"""One rate limit for all shards and replicas, kept in Redis. While Redis is unavailable each process has a share."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import structlog

from exporter.cluster.redis import RedisCallError
from exporter.platform.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.cluster.redis import RedisClient
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock

_log = structlog.get_logger(__name__)
_MARGIN = 0.94
"""Part of the rate that is granted: requests that start evenly arrive unevenly, and the platform counts arrivals."""
_UNAVAILABLE = 5.0
"""Seconds without calls to Redis after one failed."""
_LONGEST_CALL = 2.0
_ANSWER_SIZE = 1 << 16
_PATIENCE = 0.2
"""Seconds between two checks whether a waiting worker was cancelled."""
_RESERVE = """
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local interval, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local turn = tonumber(redis.call('get', KEYS[1]) or 0)
if not turn or turn < now or turn > now + ahead then turn = now end
local next = turn + interval
local kept = string.format('%.0f', (next - now) / 1000 + 1000)
redis.call('set', KEYS[1], string.format('%.0f', next), 'px', kept)
return string.format('%.0f', turn - now)
"""
"""Reserves the next turn; returns the microseconds until it comes. Only the server's clock counts. A turn further ahead
than the processes can have reserved means that this clock was set back."""


class SharedPacer(Pacer):
    """A pacer that also reserves a turn in Redis for each request, among all processes.

    Args:
        rate: requests a second for all processes together.
        processes: how many share the rate while Redis is unavailable.
        key: the key of the limit in Redis.
        client: calls Redis.
        clock: monotonic time.
        hold_back: called before each request; waits while it is uncertain whether this process may poll.
    """

    def __init__(
        self,
        rate: float,
        processes: int,
        key: str,
        client: RedisClient,
        clock: Clock,
        hold_back: Callable[[Stop], None],
    ) -> None:
        super().__init__(rate, clock)
        self._share = Pacer(rate / processes, clock)
        self._key = key
        self._client = client
        self._time = clock
        self._hold_back = hold_back
        self._interval = 1 / granted(rate)
        # Each process reserves one turn at a time.
        self._furthest = (processes + 1) * self._interval
        # Held by the worker that reserves a turn and waits for it; one at a time.
        self._turn = threading.Lock()
        # Written while _turn is held.
        self._unavailable_until = float("-inf")

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn among all processes.

        Raises:
            StoppedError: the wait was cancelled.
        """
        super().acquire(stop)
        if not self._granted(stop):
            self._share.acquire(stop)
        self._hold_back(stop)

    def _granted(self, stop: Stop) -> bool:
        """Wait for a turn from Redis; False if Redis is unavailable, or another worker is about to find out."""
        while not self._turn.acquire(timeout=_PATIENCE):
            stop.check()
            if self._unavailable_until > float("-inf"):
                return False
        try:
            if self._time.monotonic() < self._unavailable_until:
                return False
            stop.check()
            try:
                wait = self._client.call(self._reserve_turn, seconds=_LONGEST_CALL, size=_ANSWER_SIZE)
            except RedisCallError as error:
                self._lost(error)
                return False
            self._unavailable_until = float("-inf")
            if stop.wait(wait):
                stop.check()
            return True
        finally:
            self._turn.release()

    def _reserve_turn(self, client: Any) -> float:
        """Reserve a turn; the seconds until it comes."""
        micros = [math.ceil(seconds * 1_000_000) for seconds in (self._interval, self._furthest)]
        wait = int(client.eval(_RESERVE, 1, self._key, *micros)) / 1_000_000
        if not 0 <= wait <= self._furthest + 1:
            raise ValueError("the time until the next turn is invalid")
        return wait

    def _lost(self, error: RedisCallError) -> None:
        log = _log.warning if self._unavailable_until == float("-inf") else _log.debug
        self._unavailable_until = self._time.monotonic() + _UNAVAILABLE
        log("Redis is unavailable, this process keeps to its share of the rate", detail=str(error))


class HeldPacer(Pacer):
    """A pacer without a rate limit that delays requests while it is uncertain whether this process may poll."""

    def __init__(self, clock: Clock, hold_back: Callable[[Stop], None]) -> None:
        super().__init__(None, clock)
        self._hold_back = hold_back

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn.

        Raises:
            StoppedError: the wait was cancelled.
        """
        super().acquire(stop)
        self._hold_back(stop)


def granted(rate: float) -> float:
    """The requests a second that are granted out of a configured rate."""
    return rate * _MARGIN
