"""Keeps the pauses of the garbage collector short with any number of users."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_COLLECT = (2_000, 5, 0)
"""Small young generations, and an oldest one that is scanned before many objects have been added to it."""
_TURN = 0.0005
_OLDEST = 2
_LONG = 0.005
"""Seconds of processor time from which on a scan of the oldest generation is too long to be repeated.

Nothing else runs meanwhile. On a busy machine such a scan takes several times as long.
"""
_LARGE = 10_000
"""Users from which on a scan of all objects takes about a tenth of a second or more."""
_DAY = 86_400.0
_WEEK = 7 * _DAY
_RELOADS = 1_000
"""Reloads of a large enterprise after which what they left behind is collected. Each leaves some 200 objects."""


class MonotonicClock(Protocol):
    """The part of a clock that is needed here."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class Heap(Protocol):
    """The functions of the module `gc` that are needed here."""

    def collect(self) -> int:
        """Collect all generations."""
        ...

    def freeze(self) -> None:
        """Exclude all present objects from later collections."""
        ...

    def unfreeze(self) -> None:
        """Include all objects in collections again."""
        ...

    def disable(self) -> None:
        """Collect nothing automatically from now on."""
        ...

    def enable(self) -> None:
        """Collect automatically again."""
        ...


def tune_interpreter() -> None:
    """Set up the interpreter so that a probe is answered soon while many threads work.

    A thread that waits for the interpreter lock gets it after half a millisecond instead of five. With many workers
    that time multiplies.
    """
    gc.set_threshold(*_COLLECT)
    gc.callbacks.append(Survivors().collection)
    sys.setswitchinterval(_TURN)


def freeze_loaded(heap: Heap = gc) -> None:
    """Freeze the configuration, after it was loaded and before the first probe can arrive.

    With 100,000 users a scan of it takes up to a tenth of a second, during which nothing is answered.
    """
    heap.collect()
    heap.freeze()


class Survivors:
    """Freezes what has survived a long scan of the oldest generation, so that the next one does not scan it again.

    The states of a large enterprise are millions of objects; a scan of all holds the interpreter lock for a second.

    Args:
        heap: the garbage collector.
        cpu: seconds of processor time of the current thread.
    """

    def __init__(self, heap: Heap = gc, cpu: Callable[[], float] = time.thread_time) -> None:
        self._heap = heap
        self._cpu = cpu
        self._began = 0.0

    def collection(self, phase: str, info: Mapping[str, int]) -> None:
        """Handle the start or the end of a collection; to be an entry of `gc.callbacks`."""
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            self._began = self._cpu()
        elif self._cpu() - self._began > _LONG:
            self._heap.freeze()


class GarbagePolicy:
    """Decides when objects are frozen, which excludes them from collections, and when all are scanned.

    Frozen objects that are replaced later are still freed by their reference counts; only cycles among them are not.
    So all are scanned once a day and after each reload, which leaves cycles behind. With very many users that takes too
    long: it is done once a week then, and after many reloads.

    Args:
        clock: monotonic time.
        users: the number of users whose states are in memory.
        heap: the garbage collector.
    """

    def __init__(self, clock: MonotonicClock, users: Callable[[], int], heap: Heap = gc) -> None:
        self._clock = clock
        self._users = users
        self._heap = heap
        self._scanned = clock.monotonic()
        self._reloads = 0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Collect nothing inside the context, which creates very many objects that all stay, and little else.

        Python would scan them again and again. They are frozen at the end.
        """
        self._heap.collect()
        self._heap.disable()
        try:
            yield
        finally:
            self._heap.freeze()
            self._heap.enable()

    def reloaded(self) -> None:
        """A reload is complete."""
        self._reloads += 1
        self.check()

    def check(self) -> None:
        """Scan all objects if it is time to. Call it every few seconds."""
        large = self._users() >= _LARGE
        longest, reloads = (_WEEK, _RELOADS) if large else (_DAY, 1)
        if self._reloads >= reloads or self._clock.monotonic() - self._scanned >= longest:
            self._scan()

    def _scan(self) -> None:
        self._scanned, self._reloads = self._clock.monotonic(), 0
        self._heap.unfreeze()
        self._heap.collect()
        self._heap.freeze()
