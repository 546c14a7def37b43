"""One rate limit for all shards and replicas, counted in Redis; a share of it each while Redis is away."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import structlog
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from exporter.cluster.link import Trouble
from exporter.polling.pacing import Pacer

if TYPE_CHECKING:
    import redis

    from exporter.clock import Clock, Stop

_log = structlog.get_logger(__name__)
_MARGIN = 0.94
"""Part of the limit that is given out: what is granted evenly arrives unevenly, and the platform counts arrivals."""
_AWAY = 5.0
"""Seconds for which Redis is left alone after it failed."""
_SHORTEST_WAIT = 0.005
_LONGEST_WAIT = 1.0
_PATIENCE = 0.2
"""Seconds after which a worker that waits for another's question looks whether it is still wanted."""


class SharedPacer(Pacer):
    """A pacer that also asks Redis for every request's turn among all processes.

    Args:
        rate: requests a second for all processes together.
        processes: among how many the rate is divided while Redis is away.
        key: names the limit in Redis.
        client: the connection.
        clock: where time comes from.
    """

    def __init__(self, rate: float, processes: int, key: str, client: redis.Redis, clock: Clock) -> None:
        super().__init__(rate, clock)
        self._share = Pacer(rate / processes, clock)
        self._key = key
        self._time = clock
        self._item = shared_limit(rate)
        self._limiter = MovingWindowRateLimiter(
            RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="")
        )
        # One worker asks Redis at a time: the others of this process would only be told to wait as well.
        self._asking = threading.Lock()
        # Written by whoever holds _asking.
        self._away_until = float("-inf")

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn among all processes.

        Raises:
            StoppedError: the wait was called off.
        """
        super().acquire(stop)
        while not self._asking.acquire(timeout=_PATIENCE):
            stop.check()
        try:
            granted = self._granted(stop)
        finally:
            self._asking.release()
        if not granted:
            self._share.acquire(stop)

    def _granted(self, stop: Stop) -> bool:
        """Whether Redis gave a turn; it is asked until it does or is away."""
        while self._time.monotonic() >= self._away_until:
            stop.check()
            try:
                if self._limiter.hit(self._item, self._key):
                    return True
                reset = self._limiter.get_window_stats(self._item, self._key).reset_time
            except Trouble as error:
                self._lost(error)
                break
            stop.wait(max(_SHORTEST_WAIT, min(_LONGEST_WAIT, reset - time.time())))
        return False

    def _lost(self, error: Exception) -> None:
        now = self._time.monotonic()
        known = now < self._away_until + _AWAY
        self._away_until = now + _AWAY
        log = _log.debug if known else _log.warning
        log("Redis is away, this process keeps to its share of the rate", error=type(error).__name__, detail=str(error))


def granted(rate: float) -> float:
    """How many requests a second are given out of so many."""
    item = shared_limit(rate)
    return item.amount / item.multiples


def shared_limit(rate: float) -> RateLimitItemPerSecond:
    """What is given out in any second for so many requests a second: a whole number, with a margin; or one in several.

    The window moves, so that no second of anybody's clock sees more.
    """
    allowed = rate * _MARGIN
    if allowed >= 1:
        return RateLimitItemPerSecond(math.floor(allowed))
    return RateLimitItemPerSecond(1, math.ceil(1 / rate))
