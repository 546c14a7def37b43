"""Decides which idle connections may be used again, and how long a request on one waits for an answer.

A NAT or load balancer may drop an idle connection without a message to either end. A request on such a connection never
gets an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.common.clock import Clock

MAX_IDLE = 50.0
"""Seconds that a connection may be idle. With the time until the next check it is closed after at most 60 s."""
_SUSPICIOUS = 1.0
"""Idle seconds below which no middlebox drops a connection."""
_SHARE = 0.5
"""Part of the time limit after which a request without an answer, on a suspicious connection, is sent again."""
_REMEMBERED = 3600.0
"""Seconds for which idle connections are closed sooner, after one was dropped."""
_SLOW = 600.0
"""Seconds for which the platform counts as slow, after a request on a fresh connection got no answer either."""


class ReusePolicy:
    """Learns how long connections of a session survive. Any thread may use it: its fields are independent numbers.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._max_idle = MAX_IDLE
        self._remembered_until = float("-inf")
        self._slow_until = float("-inf")

    def max_idle(self) -> float:
        """Seconds that a connection may be idle and still be used."""
        return self._max_idle if self._clock.monotonic() < self._remembered_until else MAX_IDLE

    def answer_timeout(self, limit: float, idle: float) -> float | None:
        """Seconds to wait for the first byte of an answer; None for the time limit of the request.

        Args:
            limit: time limit of the request, in seconds.
            idle: seconds that its connection was idle.
        """
        if idle < _SUSPICIOUS or self._clock.monotonic() < self._slow_until:
            return None
        return limit * _SHARE

    def record_dropped(self, idle: float) -> None:
        """Record that a request got no answer after this idle time, but got one on a fresh connection."""
        self._max_idle = max(_SUSPICIOUS, min(self.max_idle(), idle / 2))
        self._remembered_until = self._clock.monotonic() + _REMEMBERED

    def record_slow(self) -> None:
        """Record that a request got no answer on a fresh connection either: the platform is slow or down."""
        self._slow_until = self._clock.monotonic() + _SLOW
