"""Which idle connections may be used again, and how long a request on one may stay without an answer.

A NAT or load balancer between here and the platform may forget a connection that was idle, without telling either end.
A request on such a connection gets no answer, however long it waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.common.clock import Clock

MAX_IDLE = 50.0
"""Seconds for which a connection may be idle. With the time until the next check it is closed after 60 s at most."""
_SUSPICIOUS = 1.0
"""Seconds of idle time below which no middlebox forgets a connection."""
_SHARE = 0.5
"""Part of the time limit after which a silent request on a suspicious connection is given up and sent once more."""
_REMEMBERED = 3600.0
"""Seconds for which a connection that was forgotten makes others be closed sooner."""
_SLOW = 600.0
"""Seconds for which silence is taken for slowness, after a fresh connection did not bring an answer either."""


class ReusePolicy:
    """What a session has learned about its connections. Any thread may use it: its fields are independent numbers.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._max_idle = MAX_IDLE
        self._remembered_until = float("-inf")
        self._slow_until = float("-inf")

    def max_idle(self) -> float:
        """Seconds for which a connection may be idle and still be used."""
        return self._max_idle if self._clock.monotonic() < self._remembered_until else MAX_IDLE

    def patience(self, limit: float, idle: float) -> float | None:
        """Seconds to wait for the first byte of an answer; None for as long as the request may take.

        Args:
            limit: seconds that the request may take.
            idle: seconds for which its connection had been idle.
        """
        if idle < _SUSPICIOUS or self._clock.monotonic() < self._slow_until:
            return None
        return limit * _SHARE

    def was_forgotten(self, idle: float) -> None:
        """A connection was silent after so many idle seconds, and a fresh one was not."""
        self._max_idle = max(_SUSPICIOUS, min(self.max_idle(), idle / 2))
        self._remembered_until = self._clock.monotonic() + _REMEMBERED

    def is_slow(self) -> None:
        """A connection was silent, and a fresh one as well: the platform is slow, or away."""
        self._slow_until = self._clock.monotonic() + _SLOW
