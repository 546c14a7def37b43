"""Sends large responses while they are made, a portion at a time, so that none is ever in memory as a whole."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from exporter.metrics.families.http import Refusal
from exporter.web.connections import Connection, connection_of
from exporter.web.single_flight import BusyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals

MAX_STREAMS = 4
"""Responses that are made at the same time; others wait."""
_MAX_WAITING = 1024
GRACE = 5.0
"""Seconds that a client may keep its response waiting, in total, before it can lose its place to those who wait."""
_RETRY = 0.5


class Body(Protocol):
    """A body in portions, made from one snapshot."""

    def portions(self) -> Iterator[bytes]:
        """The portions; each is made when it is needed, in a thread."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    """A response under way.

    Attributes:
        connection: that of its client.
        waited: seconds that the client has kept it waiting so far.
        sending_since: monotonic time since which a portion is being sent; None while one is made.
    """

    connection: Connection | None
    waited: float = 0.0
    sending_since: float | None = None

    def waited_until(self, now: float) -> float:
        """Seconds that the client has kept it waiting, the present portion included."""
        return self.waited + (0.0 if self.sending_since is None else now - self.sending_since)


class Streams:
    """The responses that are made while they are sent. For the event loop's thread only.

    Args:
        clock: monotonic time.
        refusals: counts closed connections.
    """

    def __init__(self, clock: MonotonicClock, refusals: Refusals) -> None:
        self._clock = clock
        self._refusals = refusals
        self._active: list[_Stream] = []
        self._waiting = 0
        self._freed = asyncio.Event()
        # One portion at a time, over all responses.
        self.one_at_a_time = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def place(self, connection: Connection | None) -> AsyncIterator[_Stream]:
        """A place among the responses under way.

        Raises:
            BusyError: too many clients are waiting for one.
        """
        if self._waiting >= _MAX_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            while len(self._active) >= MAX_STREAMS:
                self._cut_slow()
                self._freed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY):
                        await self._freed.wait()
        finally:
            self._waiting -= 1
        stream = _Stream(connection)
        self._active.append(stream)
        try:
            yield stream
        finally:
            self._active.remove(stream)
            self._freed.set()

    def _cut_slow(self) -> None:
        """Close the connection of the slowest client, if it is too slow."""
        now = self._clock.monotonic()
        slowest = max(self._active, key=lambda one: one.waited_until(now))
        connection = slowest.connection
        if slowest.waited_until(now) >= GRACE and connection is not None and connection.fileno() >= 0:
            self._refusals.refused(Refusal.SLOW_READER, connection.address)
            connection.cut()
            slowest.waited, slowest.sending_since = 0.0, None

    async def send(self, stream: _Stream, send: Send, portion: bytes, *, more: bool = True) -> bool:
        """Send a portion; False if the client has disconnected."""
        stream.sending_since = self._clock.monotonic()
        await send({"type": "http.response.body", "body": portion, "more_body": more})
        stream.waited, stream.sending_since = stream.waited_until(self._clock.monotonic()), None
        return stream.connection is None or stream.connection.fileno() >= 0


class StreamedResponse(StreamingResponse):
    """A response that is made while it is sent.

    Args:
        streams: the responses under way.
        begin: makes the snapshot, in a thread, and returns the headers that follow from it and the body.
        headers: the other headers.
        media_type: the type of the content.
    """

    def __init__(
        self,
        streams: Streams,
        begin: Callable[[], tuple[Mapping[str, str], Body]],
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__((), headers=headers, media_type=media_type)
        self._streams = streams
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI call
        """The ASGI call."""
        streams = self._streams
        async with streams.place(connection_of(scope)) as stream:
            async with streams.one_at_a_time:
                headers, body = await run_in_threadpool(self._begin)
            self.headers.update(headers)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                portions = body.portions()
                while (portion := await self._next(portions)) is not None:
                    if not await streams.send(stream, send, portion):
                        return
            await streams.send(stream, send, b"", more=False)

    async def _next(self, portions: Iterator[bytes]) -> bytes | None:
        async with self._streams.one_at_a_time:
            return await run_in_threadpool(next, portions, None)
