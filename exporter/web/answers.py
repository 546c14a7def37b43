"""Makes responses in threads, one at a time, compressed and with an entity tag."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from exporter.metrics.encoding import gzip_accepted
from exporter.web.single_flight import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from starlette.requests import Request

    from exporter.web.deliveries import Deliveries
    from exporter.web.streams import Body

_MAX_WAITING = 1024
_RELEVANT = ("accept-encoding", "accept-language", "cookie", "if-none-match")
"""Headers on which responses depend."""
_SMALL = 1024
"""Bytes up to which compressing gains nothing."""
_LEVEL = 5
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was made.

    Attributes:
        body: not compressed.
        media_type: the type of the body.
        status: the status code.
        headers: further headers.
    """

    body: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Answers:
    """Makes responses one at a time, and once for all clients that ask the same. For the event loop's thread only.

    Clients that ask while a response is made share the next one, so that none is older than its request.

    Args:
        deliveries: sends them.
    """

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        # What will be made next, by what the response depends on; and all that is being made, which the event loop
        # itself does not keep alive.
        self._next: dict[Hashable, asyncio.Task[Answer]] = {}
        self._tasks: set[asyncio.Task[Answer]] = set()

    async def response(self, request: Request, make: Callable[[], Answer]) -> Response:
        """The response.

        Args:
            request: two requests with the same address and the same relevant headers get the same response.
            make: makes it, in a thread.

        Raises:
            BusyError: too many clients are waiting.
        """
        if self._waiting >= _MAX_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            # Shielded: a client that disconnects must not cancel the work for others.
            answer = await asyncio.shield(self._shared(request, make))
        finally:
            self._waiting -= 1
        if answer.status != 200:  # noqa: PLR2004 - OK
            return Response(answer.body, answer.status, answer.headers, answer.media_type)
        return self._deliveries.response(answer.body, answer.headers, answer.media_type)

    def _shared(self, request: Request, make: Callable[[], Answer]) -> asyncio.Task[Answer]:
        headers = tuple([request.headers.get(name, "") for name in _RELEVANT])
        key = (request.scope["raw_path"], request.scope["query_string"], headers)
        if (waiting := self._next.get(key)) is not None:
            return waiting
        packed = gzip_accepted(request.headers.get("accept-encoding", ""))
        known = request.headers.get("if-none-match", "")
        task = asyncio.create_task(self._run(key, lambda: encoded(make(), known, packed=packed)))
        self._next[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def _run(self, key: Hashable, work: Callable[[], Answer]) -> Answer:
        try:
            await self._one_at_a_time.acquire()
        finally:
            self._next.pop(key, None)
        try:
            return await run_in_threadpool(work)
        finally:
            self._one_at_a_time.release()

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Waiting clients raise it; mark it as retrieved in case none is left.
            task.exception()


def encoded(answer: Answer, known: str, *, packed: bool) -> Answer:
    """The answer with a tag, compressed if that is accepted, or without a body if the client knows it.

    Args:
        answer: as it was made.
        known: the header `If-None-Match`.
        packed: whether gzip is accepted.
    """
    headers = {**answer.headers}
    vary = [headers.get("Vary", ""), "Accept-Encoding"]
    headers["Vary"] = ", ".join(filter(None, vary))
    if answer.status != 200:  # noqa: PLR2004 - OK
        return Answer(answer.body, answer.media_type, answer.status, headers)
    # A weak tag, since the compressed and the plain body are the same only by their meaning.
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers["ETag"] = tag
    if tag.removeprefix("W/") in [one.strip().removeprefix("W/") for one in known.split(",")]:
        return Answer(b"", answer.media_type, 304, headers)
    body = answer.body
    if packed and len(body) > _SMALL:
        packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        body = packer.compress(body) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    return Answer(body, answer.media_type, answer.status, headers)


class Packed:
    """A streamed body, compressed while it is sent."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def portions(self) -> Iterator[bytes]:
        """The portions."""
        packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        for portion in self._body.portions():
            if part := packer.compress(portion):
                yield part
        yield packer.flush()
