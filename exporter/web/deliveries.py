"""Sends large bodies to many clients at once from shared memory.

A body is sent in small portions, each only when the client has taken the one before, so that a slow client costs one
portion and not a copy. Clients of the same body share it. What slow clients keep alive of older bodies is limited.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from exporter.metrics.families.http import Refusal
from exporter.web.connections import Connection, connection_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals

MAX_BYTES = 128 << 20
"""Bytes of different bodies under way at most, unless `MIN_BODIES` are more."""
MIN_BODIES = 3
"""Different bodies as large as the one asked for that may be under way in any case."""
PORTION = 128 << 10
_SMALL = 64 << 10
"""Bytes up to which a body is not counted: it fits into the buffers of one connection."""
_GRACE = 1.0
"""Seconds that a client may read a body before it can be cut off for others."""
_PORTIONS_A_TURN = 8
_RETRY_AFTER = "1"


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A body and who reads it.

    Attributes:
        content: the body.
        since: monotonic time at which its first reader began.
        readers: their connections.
    """

    content: bytes
    since: float
    readers: list[Connection | None] = field(default_factory=list)


class Deliveries:
    """The large bodies under way. For the event loop's thread only.

    Args:
        clock: monotonic time.
        refusals: counts clients that are refused or cut off.
    """

    def __init__(self, clock: MonotonicClock, refusals: Refusals) -> None:
        self._clock = clock
        self._refusals = refusals
        # By identity of the content; the oldest first.
        self._under_way: dict[int, _UnderWay] = {}

    @property
    def bytes_under_way(self) -> int:
        """The size of all different bodies under way."""
        return sum(len(one.content) for one in self._under_way.values())

    def response(self, content: bytes, headers: Mapping[str, str], media_type: str | None = None) -> Response:
        """An answer with this body."""
        return _Delivery(self, content, headers, media_type)

    def begin(self, content: bytes, connection: Connection | None) -> bool:
        """Begin to send a body. False if there are too many under way; `end` must be called only if True."""
        one = self._under_way.get(id(content))
        if one is None:
            if len(content) > _SMALL and not self._make_room(len(content)):
                address = "" if connection is None else connection.address
                self._refusals.refused(Refusal.TOO_MANY_BODIES, address)
                return False
            one = self._under_way[id(content)] = _UnderWay(content, self._clock.monotonic())
        one.readers.append(connection)
        return True

    def end(self, content: bytes, connection: Connection | None) -> None:
        """A body has been sent, or its client is gone."""
        one = self._under_way.get(id(content))
        # Cut off before: then it is not there any more, nor can another body have taken its identity.
        if one is not None and connection in one.readers:
            one.readers.remove(connection)
            if not one.readers:
                del self._under_way[id(content)]

    def _make_room(self, size: int) -> bool:
        limit = max(MAX_BYTES, MIN_BODIES * size)
        now, total = self._clock.monotonic(), self.bytes_under_way
        for key, one in list(self._under_way.items()):
            if total + size <= limit:
                break
            if len(one.content) > _SMALL and now - one.since >= _GRACE:
                del self._under_way[key]
                total -= len(one.content)
                for connection in one.readers:
                    if connection is not None:
                        self._refusals.refused(Refusal.SLOW_READER, connection.address)
                        connection.cut()
        return total + size <= limit


class _Delivery(Response):
    """An answer whose body is sent in portions of one shared body."""

    def __init__(
        self, deliveries: Deliveries, content: bytes, headers: Mapping[str, str], media_type: str | None
    ) -> None:
        super().__init__(content, headers=headers, media_type=media_type)
        self._deliveries = deliveries
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        connection = connection_of(scope)
        if not self._deliveries.begin(self._content, connection):
            await busy()(scope, receive, send)
            return
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_body(send, connection)
        finally:
            self._deliveries.end(self._content, connection)

    async def _send_body(self, send: Send, connection: Connection | None) -> None:
        view, size = memoryview(self._content), len(self._content)
        for number, start in enumerate(range(0, max(size, 1), PORTION)):
            if connection is not None and connection.fileno() < 0:
                # Gone: there is nobody to complete the answer for.
                return
            if number % _PORTIONS_A_TURN == _PORTIONS_A_TURN - 1:
                # A client that is fast enough never makes this wait, and others want a turn.
                await asyncio.sleep(0)
            end = start + PORTION
            await send({"type": "http.response.body", "body": view[start:end], "more_body": end < size})


def busy() -> Response:
    """Refuses a client for now."""
    return PlainTextResponse(
        "Too many answers are under way; try again soon.\n", status_code=503, headers={"Retry-After": _RETRY_AFTER}
    )
