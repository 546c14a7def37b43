"""The rate limit of the web configuration: one token bucket for all requests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals
    from exporter.web.web_config import RateLimit


class TokenBucket:
    """Allows a burst of requests, and one more per interval.

    Args:
        interval: seconds per request; 0 for no limit.
        burst: requests at once.
        clock: monotonic time.
    """

    def __init__(self, interval: float, burst: int, clock: MonotonicClock) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        self._available = float(burst)
        self._since = clock.monotonic()

    def allow(self) -> bool:
        """Whether a request may be answered now."""
        if not self._interval:
            return True
        now = self._clock.monotonic()
        self._available = min(self._burst, self._available + (now - self._since) / self._interval)
        self._since = now
        if self._available < 1:
            return False
        self._available -= 1
        return True


class RateLimited:
    """Refuses requests above the limit with status 429. For the event loop's thread only.

    Args:
        app: the application.
        settings: the limit in effect.
        clock: monotonic time.
        refusals: counts refused requests.
    """

    def __init__(
        self, app: ASGIApp, settings: Callable[[], RateLimit], clock: MonotonicClock, refusals: Refusals
    ) -> None:
        self._app = app
        self._settings = settings
        self._clock = clock
        self._refusals = refusals
        self._current = settings()
        self._bucket = self._new_bucket()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if (settings := self._settings()) != self._current:
            self._current = settings
            self._bucket = self._new_bucket()
        if scope["type"] != "http" or self._bucket.allow():
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        self._refusals.refused(Refusal.RATE_LIMITED, "" if client is None else str(client[0]))
        wait = str(max(1, math.ceil(self._current.interval)))
        refused = PlainTextResponse("Too many requests.\n", status_code=429, headers={"Retry-After": wait})
        await refused(scope, receive, send)

    def _new_bucket(self) -> TokenBucket:
        return TokenBucket(self._current.interval, self._current.burst, self._clock)
