"""Limits the memory for large answers, for all clients of the process together.

Most answers have a few kilobytes. One that grows beyond `SMALL` takes a place until it is parsed, and there are few
places. Only one such answer is parsed at a time, since the interpreter cannot do more anyway. So all answers together
take at most the memory of `PLACES` bodies of `BODY_LIMIT` and of the objects of one.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from exporter.common.allocator import return_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from exporter.common.cancellation import Stop

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of an answer, decompressed. A token takes about 500, so this is enough for 16,000 tokens of one user. A page
of a list of users has at most 100 entries."""
SMALL = 256 * 1024
"""Bytes up to which an answer counts as small: about 500 tokens."""
PLACES = 8
_NOTHING_TO_WAIT_FOR = contextlib.nullcontext()
_RECHECK = 0.2
"""Seconds after which a wait checks whether it was cancelled."""


class LargeAnswers:
    """Gives places to large answers.

    It is a context manager: inside the context a thread fetches one answer and parses it; a place that it took for the
    answer is free afterwards.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._places = threading.Semaphore(places)
        self._parsing = threading.Lock()
        self._thread = threading.local()

    def __enter__(self) -> None:
        self._thread.holds = False

    def __exit__(self, *_: object) -> None:
        if self._thread.holds:
            self._thread.holds = False
            self._places.release()
            return_memory()

    def take_place(self, remaining: Callable[[], float]) -> bool:
        """Wait for a place for this thread's answer, which is large.

        Args:
            remaining: returns the seconds that are left to wait.

        Returns:
            Whether the answer has a place.
        """
        if not self._thread.holds:
            while (left := remaining()) > 0 and not self._thread.holds:
                self._thread.holds = self._places.acquire(timeout=min(left, _RECHECK))
        return bool(self._thread.holds)

    def turn(self, size: int, stop: Stop) -> AbstractContextManager[None]:
        """Parse an answer inside the context: a small one at once, a large one when no other large one is parsed.

        Args:
            size: bytes of the answer.
            stop: cancels the wait.

        Raises:
            StoppedError: when the context is entered: the wait was cancelled.
        """
        return _NOTHING_TO_WAIT_FOR if size <= SMALL else self._only_turn(stop)

    @contextlib.contextmanager
    def _only_turn(self, stop: Stop) -> Iterator[None]:
        while not self._parsing.acquire(timeout=_RECHECK):
            stop.check()
        try:
            yield
        finally:
            self._parsing.release()
