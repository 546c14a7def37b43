"""Memory for large answers, shared by all clients of the process, whatever the number of organizations and requests.

Most answers are a few kilobytes. One that grows beyond `SMALL` takes a place, of which there are few, until it has been
parsed; and one such answer is parsed at a time, since the interpreter does no more at once anyway. So answers take no
more memory together than `PLACES` bodies of `BODY_LIMIT` and the objects of one.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.common.cancellation import Stop

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of an answer, decompressed. A token takes some 500, so this is enough for 16,000 tokens of one user; a page of
a list of users has 100 entries at most."""
SMALL = 256 * 1024
"""Bytes up to which an answer counts as small: some 500 tokens of one user."""
PLACES = 8
_PATIENCE = 0.2
"""Seconds after which a wait checks whether it is still wanted."""


class LargeAnswers:
    """Hands out the places. Any thread may ask, for one answer at a time."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = threading.Semaphore(places)
        self._parsing = threading.Lock()
        self._thread = threading.local()

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """The calling thread asks for an answer and parses it in here; the place that it took is free afterwards."""
        self._thread.holds = False
        try:
            yield
        finally:
            if self._thread.holds:
                self._thread.holds = False
                self._places.release()
                _return_memory()

    def take_place(self, remaining: Callable[[], float]) -> bool:
        """Wait for a place for the calling thread's answer, which has turned out to be large.

        Args:
            remaining: seconds for which the answer may still be waited for.

        Returns:
            Whether there is one.
        """
        if not self._thread.holds:
            while (left := remaining()) > 0 and not self._thread.holds:
                self._thread.holds = self._places.acquire(timeout=min(left, _PATIENCE))
        return bool(self._thread.holds)

    @contextlib.contextmanager
    def turn(self, size: int, stop: Stop) -> Iterator[None]:
        """Parse an answer of so many bytes: at once if it is small, else when no other large one is being parsed.

        Raises:
            StoppedError: the wait was called off.
        """
        if size <= SMALL:
            yield
            return
        while not self._parsing.acquire(timeout=_PATIENCE):
            stop.check()
        try:
            yield
        finally:
            self._parsing.release()


def _return_memory() -> None:
    """Have the C library give freed memory back to the system: glibc keeps what a large answer took for good."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
