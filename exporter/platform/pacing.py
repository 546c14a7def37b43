"""How fast an organization's platform may be asked: a steady rate that gives way when the platform says so."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock

_SLOWEST = 1 / 30
"""Requests a second below which the rate never falls: a platform that refuses everything is still asked."""
_PAUSE_UNTOLD = 1.0
"""Seconds without requests after a 429 that names no time."""
_GUESS = 10.0
"""Requests a second taken for the rate where none is configured and too few have gone out to tell."""
_CREEP = 0.02
"""Share of the configured rate by which an accepted request raises a lowered one."""


class Pacer:
    """Spaces an organization's requests evenly, and slows down on 429: rate halved at once, crept up again.

    Several refusals of requests that went out before the first one was heard count as one.

    Args:
        rate: highest number of requests a second; None for no limit.
        clock: where time comes from.
    """

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._highest = rate
        self._clock = clock
        # Guards the fields below: all workers of the organization pass through here.
        self._lock = threading.Lock()
        self._rate = rate
        self._next = clock.monotonic()
        self._closed_until = self._next
        self._pauses = 0
        self._last = float("-inf")
        self._recent: deque[float] = deque(maxlen=256)

    def acquire(self, stop: Stop) -> None:
        """Wait for the next request's turn.

        Raises:
            StoppedError: the wait was called off.
        """
        turn, pauses = self._reserve()
        while True:
            stop.check()
            with self._lock:
                now = self._clock.monotonic()
                if pauses == self._pauses and turn <= now:
                    self._recent.append(now)
                    self._last = now
                    return
                late = pauses != self._pauses
            if late:
                # A pause began while waiting: everybody who waits gets a new turn after it, or all would go at once.
                turn, pauses = self._reserve()
            else:
                stop.wait(turn - now)

    def _reserve(self) -> tuple[float, int]:
        """The next free turn, and the number of the pause after which it was given."""
        with self._lock:
            turn = max(self._clock.monotonic(), self._next, self._closed_until)
            if self._rate is not None:
                self._next = turn + 1 / self._rate
            return turn, self._pauses

    def throttled(self, retry_after: float | None) -> None:
        """The platform refused a request for its rate; pause for so many seconds and go on at half the rate."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._closed_until:
                lowered = (self._measured(now) if self._rate is None else self._rate) / 2
                self._rate = max(min(_SLOWEST, self._highest or _SLOWEST), lowered)
            pause = _PAUSE_UNTOLD if retry_after is None else retry_after
            if now + pause > self._closed_until:
                self._closed_until = now + pause
                # Turns given for before the pause are void, but not the gap to the last request that went out.
                self._next = max(self._closed_until, self._last + (1 / self._rate if self._rate else 0.0))
                self._pauses += 1

    def relaxed(self) -> None:
        """The platform accepted a request; a lowered rate creeps up."""
        with self._lock:
            if self._rate is None or self._rate == self._highest:
                return
            raised = self._rate + _CREEP * max(self._rate, self._highest or 0.0)
            self._rate = raised if self._highest is None else min(self._highest, raised)

    @property
    def highest(self) -> float | None:
        """The configured rate; None for no limit."""
        return self._highest

    @property
    def rate(self) -> float | None:
        """Requests a second allowed at present; None for no limit."""
        with self._lock:
            return self._rate

    def _measured(self, now: float) -> float:
        """The rate of the latest requests, for where none is configured."""
        seen = [at for at in self._recent if at > now - 10]
        if len(seen) < 2:  # noqa: PLR2004 - one moment has no rate
            return _GUESS
        return len(seen) / max(1.0, now - seen[0])
