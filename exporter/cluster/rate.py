"""One rate limit for all shards and replicas, kept in Redis; a share of it each while Redis is away."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import structlog

from exporter.cluster.redis import LinkError
from exporter.platform.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.cluster.redis import Link
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock

_log = structlog.get_logger(__name__)
_MARGIN = 0.94
"""Part of the limit that is given out: what is granted evenly arrives unevenly, and the platform counts arrivals."""
_AWAY = 5.0
"""Seconds for which Redis is left alone after it failed."""
_LONGEST_CALL = 2.0
_ANSWER_SIZE = 1 << 16
_PATIENCE = 0.2
"""Seconds after which a worker that waits for another's turn checks whether it is still wanted."""
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
"""Reserves the next turn and says after how many microseconds it comes. Only the server's clock counts; a turn further
ahead than the processes can have reserved means that it was set back."""


class SharedPacer(Pacer):
    """A pacer that also reserves every request's turn among all processes in Redis.

    Args:
        rate: requests a second for all processes together.
        processes: among how many the rate is divided while Redis is away.
        key: names the limit in Redis.
        link: the connection.
        clock: where time comes from.
        hold_back: called before each request; waits while this process may not ask the platform.
    """

    def __init__(
        self, rate: float, processes: int, key: str, link: Link, clock: Clock, hold_back: Callable[[Stop], None]
    ) -> None:
        super().__init__(rate, clock)
        self._share = Pacer(rate / processes, clock)
        self._key = key
        self._link = link
        self._time = clock
        self._hold_back = hold_back
        self._interval = 1 / granted(rate)
        # Each process reserves one turn at a time.
        self._furthest = (processes + 1) * self._interval
        # Held by the one worker that reserves a turn and waits for it.
        self._turn = threading.Lock()
        # Written by whoever holds _turn.
        self._away_until = float("-inf")

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn among all processes.

        Raises:
            StoppedError: the wait was called off.
        """
        super().acquire(stop)
        if not self._granted(stop):
            self._share.acquire(stop)
        self._hold_back(stop)

    def _granted(self, stop: Stop) -> bool:
        """Whether Redis gave a turn, which has come; not while it is away, or while another worker finds that out."""
        while not self._turn.acquire(timeout=_PATIENCE):
            stop.check()
            if self._away_until > float("-inf"):
                return False
        try:
            if self._time.monotonic() < self._away_until:
                return False
            stop.check()
            try:
                wait = self._link.call(self._ask_for_turn, seconds=_LONGEST_CALL, size=_ANSWER_SIZE)
            except LinkError as error:
                self._lost(error)
                return False
            self._away_until = float("-inf")
            if stop.wait(wait):
                stop.check()
            return True
        finally:
            self._turn.release()

    def _ask_for_turn(self, client: Any) -> float:
        """Seconds until the turn that Redis gave."""
        micros = [math.ceil(seconds * 1_000_000) for seconds in (self._interval, self._furthest)]
        wait = int(client.eval(_RESERVE, 1, self._key, *micros)) / 1_000_000
        if not 0 <= wait <= self._furthest + 1:
            raise ValueError("the time until the next turn makes no sense")
        return wait

    def _lost(self, error: LinkError) -> None:
        log = _log.warning if self._away_until == float("-inf") else _log.debug
        self._away_until = self._time.monotonic() + _AWAY
        log("Redis is away, this process keeps to its share of the rate", detail=str(error))


class HeldPacer(Pacer):
    """A pacer without a limit that holds requests back while this process may not ask the platform."""

    def __init__(self, clock: Clock, hold_back: Callable[[Stop], None]) -> None:
        super().__init__(None, clock)
        self._hold_back = hold_back

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn.

        Raises:
            StoppedError: the wait was called off.
        """
        super().acquire(stop)
        self._hold_back(stop)


def granted(rate: float) -> float:
    """How many requests a second are given out of so many."""
    return rate * _MARGIN
