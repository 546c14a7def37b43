"""Runs work once for all concurrent requests and shares the result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_MAX_WAITING = 1024


class BusyError(Exception):
    """Too many clients are waiting for the same result."""


class SingleFlight(Generic[T]):
    """Runs a function in a thread, never twice at a time.

    Callers that arrive during a run share the next run, so that a result is never older than the request. Waiting takes
    no thread. For the event loop's thread only.

    Args:
        work: the function.
        max_waiting: how many callers may wait.
    """

    def __init__(self, work: Callable[[], T], max_waiting: int = _MAX_WAITING) -> None:
        self._work = work
        self._max_waiting = max_waiting
        self._waiting = 0
        self._next: asyncio.Task[T] | None = None
        # The current run and the next one; the event loop itself does not keep tasks alive.
        self._tasks: set[asyncio.Task[T]] = set()
        self._one_at_a_time = asyncio.Lock()

    async def result(self) -> T:
        """The result of a run that starts after this call.

        Raises:
            BusyError: too many callers are waiting.
        """
        if self._waiting >= self._max_waiting:
            raise BusyError
        if self._next is None:
            self._next = asyncio.create_task(self._run())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._done)
        self._waiting += 1
        try:
            # Shielded: a client that disconnects must not cancel the run for others.
            return await asyncio.shield(self._next)
        finally:
            self._waiting -= 1

    async def _run(self) -> T:
        async with self._one_at_a_time:
            self._next = None
            return await run_in_threadpool(self._work)

    def _done(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        if self._next is task:
            # Cancelled at shutdown before it started.
            self._next = None
        if not task.cancelled():
            # Waiting callers raise it; mark it as retrieved in case none is left.
            task.exception()
