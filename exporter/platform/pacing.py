"""Spaces the requests of one organization evenly, and slows down when the platform asks for it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock

_SLOWEST = 1 / 30
"""Lowest rate, in requests a second: a platform that refuses everything still gets requests."""
_DEFAULT_PAUSE = 1.0
"""Seconds without requests after a 429 without `Retry-After`."""
_ASSUMED_RATE = 10.0
"""Requests a second assumed as the current rate if none is configured and too few were sent to measure it."""
_RECOVERY = 0.02
"""Share of the configured rate by which each accepted request raises a lowered rate."""


class Pacer:
    """Spaces requests evenly. A 429 halves the rate at once; accepted requests raise it again little by little.

    Several 429 answers to requests that were sent before the first one arrived count as one.

    Args:
        rate: limit in requests a second; None for no limit.
        clock: monotonic time.
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
        """Wait until the next request may start.

        Raises:
            StoppedError: the wait was cancelled.
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
                # A pause began during the wait: all waiters get new turns after it, or all would start at once.
                turn, pauses = self._reserve()
            else:
                stop.wait(turn - now)

    def _reserve(self) -> tuple[float, int]:
        """The next free turn, and the number of pauses before it was given."""
        with self._lock:
            turn = max(self._clock.monotonic(), self._next, self._closed_until)
            if self._rate is not None:
                self._next = turn + 1 / self._rate
            return turn, self._pauses

    def throttled(self, retry_after: float | None) -> None:
        """The platform rate limited a request: pause for this many seconds, then continue at half the rate."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._closed_until:
                lowered = (self._measured(now) if self._rate is None else self._rate) / 2
                self._rate = max(min(_SLOWEST, self._highest or _SLOWEST), lowered)
            pause = _DEFAULT_PAUSE if retry_after is None else retry_after
            if now + pause > self._closed_until:
                self._closed_until = now + pause
                # Turns that were given before the pause are void, but the gap to the last request sent is kept.
                self._next = max(self._closed_until, self._last + (1 / self._rate if self._rate else 0.0))
                self._pauses += 1

    def relaxed(self) -> None:
        """The platform accepted a request: a lowered rate rises a little."""
        with self._lock:
            if self._rate is None or self._rate == self._highest:
                return
            raised = self._rate + _RECOVERY * max(self._rate, self._highest or 0.0)
            self._rate = raised if self._highest is None else min(self._highest, raised)

    @property
    def highest(self) -> float | None:
        """The configured rate; None for no limit."""
        return self._highest

    @property
    def rate(self) -> float | None:
        """The current limit in requests a second; None for no limit."""
        with self._lock:
            return self._rate

    def _measured(self, now: float) -> float:
        """The rate of the latest requests, used if none is configured."""
        seen = [at for at in self._recent if at > now - 10]
        if len(seen) < 2:  # noqa: PLR2004 - one moment has no rate
            return _ASSUMED_RATE
        return len(seen) / max(1.0, now - seen[0])
