"""Sends large response bodies to many clients without a copy for each.

A body is sent in chunks, each only when the client has read the previous one, so that a slow client costs the memory of
one chunk. Clients of the same body share it. The memory of older bodies that slow clients keep alive is limited.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.responses import PlainTextResponse, Response

from exporter.metrics.families.http import Refusal
from exporter.web.connections import Connection, connection_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals

MAX_BYTES = 128 << 20
"""Maximum total bytes of different bodies being sent, unless `MIN_BODIES` need more."""
MIN_BODIES = 3
"""Number of bodies of the requested size that may always be sent at the same time."""
CHUNK = 128 << 10
_SMALL = 64 << 10
"""Bytes up to which a body is not counted: it fits into the buffers of a connection."""
_GRACE = 1.0
"""Seconds that a client may read a body before its connection can be closed for others."""
_TURN = 0.002
"""Seconds after which other clients have a turn. A chunk takes 0.1 ms, and several while other threads compute."""
_RETRY_AFTER = "1"


class Pieces(Protocol):
    """A body that is sent piece by piece."""

    @property
    def held(self) -> int:
        """The bytes that it keeps in memory while it is sent."""
        ...

    @property
    def size(self) -> int:
        """The bytes to send."""
        ...

    def pieces(self) -> Iterable[bytes]:
        """All of it, in order. Each piece is made when it is needed, by the event loop."""
        ...


Content = bytes | Pieces


@dataclass(slots=True, eq=False)
class _Sending:
    """A body that is being sent.

    Attributes:
        content: the body. Its identity is in use until it has been sent.
        held: the bytes that it keeps in memory.
        since: monotonic time at which its first client started.
        readers: the connections of its clients.
    """

    content: Content
    held: int
    since: float
    readers: list[Connection | None] = field(default_factory=list)


class Deliveries:
    """The bodies that are being sent. For the event loop's thread only.

    Args:
        clock: monotonic time.
        refusals: counts refused and closed connections.
    """

    def __init__(self, clock: MonotonicClock, refusals: Refusals) -> None:
        self.clock = clock
        self._refusals = refusals
        # By the identity of the content, oldest first.
        self._sending: dict[int, _Sending] = {}

    @property
    def bytes_being_sent(self) -> int:
        """The total size of the different bodies being sent."""
        return sum(one.held for one in self._sending.values())

    def response(self, content: Content, headers: Mapping[str, str], media_type: str | None = None) -> Response:
        """A response with this body."""
        return _Delivery(self, content, headers, media_type)

    def begin(self, content: Content, connection: Connection | None) -> bool:
        """Start to send a body. False if too many are being sent; call `end` only if True."""
        one = self._sending.get(id(content))
        if one is None:
            held = len(content) if isinstance(content, bytes) else content.held
            if held > _SMALL and not self._make_room(held):
                address = "" if connection is None else connection.address
                self._refusals.refused(Refusal.TOO_MANY_BODIES, address)
                return False
            one = self._sending[id(content)] = _Sending(content, held, self.clock.monotonic())
        one.readers.append(connection)
        return True

    def end(self, content: Content, connection: Connection | None) -> None:
        """A body was sent, or its client disconnected."""
        one = self._sending.get(id(content))
        # A connection that was closed for others is no longer a reader, even if another body has the same identity now.
        if one is not None and connection in one.readers:
            one.readers.remove(connection)
            if not one.readers:
                del self._sending[id(content)]

    def _make_room(self, size: int) -> bool:
        limit = max(MAX_BYTES, MIN_BODIES * size)
        now, total = self.clock.monotonic(), self.bytes_being_sent
        for key, one in list(self._sending.items()):
            if total + size <= limit:
                break
            if one.held > _SMALL and now - one.since >= _GRACE:
                del self._sending[key]
                total -= one.held
                for connection in one.readers:
                    if connection is not None:
                        self._refusals.refused(Refusal.SLOW_READER, connection.address)
                        connection.cut()
        return total + size <= limit


class _Delivery(Response):
    """A response that sends a shared body in chunks."""

    def __init__(
        self, deliveries: Deliveries, content: Content, headers: Mapping[str, str], media_type: str | None
    ) -> None:
        size = len(content) if isinstance(content, bytes) else content.size
        super().__init__(headers={**headers, "Content-Length": str(size)}, media_type=media_type)
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
            # Only the headers answer HEAD: the server would drop what is decompressed for it.
            parts = () if scope["method"] == "HEAD" else _parts(self._content)
            await _send_parts(parts, send, connection, self._deliveries.clock)
        finally:
            self._deliveries.end(self._content, connection)


async def _send_parts(
    parts: Iterable[bytes | memoryview], send: Send, connection: Connection | None, clock: MonotonicClock
) -> None:
    turn = clock.monotonic()
    for part in parts:
        if connection is not None and connection.fileno() < 0:
            # The client has disconnected.
            return
        if clock.monotonic() >= turn + _TURN:
            # With a fast client `send` never waits; let other clients have a turn.
            await asyncio.sleep(0)
            turn = clock.monotonic()
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _parts(content: Content) -> Iterator[bytes | memoryview]:
    """The content in parts of `CHUNK` bytes, the last one smaller."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for piece in (content,) if isinstance(content, bytes) else content.pieces():
        view = memoryview(piece)
        while size + len(view) >= CHUNK:
            end = CHUNK - size
            yield b"".join((*waiting, view[:end])) if waiting else view[:end]
            view, waiting, size = view[end:], [], 0
        if view:
            waiting.append(view)
            size += len(view)
    if waiting:
        yield b"".join(waiting)


def busy() -> Response:
    """A response that asks the client to retry."""
    return PlainTextResponse(
        "Too many responses in progress; try again soon.\n", status_code=503, headers={"Retry-After": _RETRY_AFTER}
    )
