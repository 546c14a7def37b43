"""Keeps the pauses of the garbage collector short with any number of users."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLLECT = (2_000, 5, 10)
"""Small young generations; the oldest generation as Python does it by default."""
_TURN = 0.0005
_WARM_UP = 600.0
"""Seconds after a start or reload in which the first sweeps are expected to end."""
_SETTLE_EVERY = 86_400.0


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
    sys.setswitchinterval(_TURN)


class GarbagePolicy:
    """Freezes long-lived objects, so that a full collection does not scan them.

    A scan of the millions of objects of a large enterprise holds the interpreter lock for hundreds of milliseconds.
    Frozen objects that are replaced later are still freed by their reference counts; only cycles among them are not.
    So everything is unfrozen and collected once a day, and after each reload, which leaves cycles behind.

    Args:
        clock: monotonic time.
        heap: the garbage collector.
    """

    def __init__(self, clock: MonotonicClock, heap: Heap = gc) -> None:
        self._clock = clock
        self._heap = heap
        self._began = clock.monotonic()
        self._settled: float | None = None
        self._known: frozenset[str] = frozenset()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Collect nothing inside the context, which creates very many objects that all stay, and little else.

        Python would scan them again and again. They are frozen at the end, and scanned once by `begin`.
        """
        self._heap.disable()
        try:
            yield
        finally:
            self._heap.freeze()
            self._heap.enable()

    def begin(self) -> None:
        """A start or reload is complete; the first sweeps are still to come."""
        self._settle()
        self._began = self._clock.monotonic()
        self._settled = None

    def check(self, ready: frozenset[str], *, all_ready: bool) -> None:
        """Freeze new objects. Call it every few seconds.

        Args:
            ready: the organizations that have been swept.
            all_ready: whether these are all organizations.
        """
        now = self._clock.monotonic()
        if self._settled is None and not all_ready and now - self._began < _WARM_UP:
            # Cheap. Cycles that are frozen here are collected after the sweeps.
            self._heap.freeze()
        elif self._settled is None or ready - self._known or now - self._settled >= _SETTLE_EVERY:
            self._settle()
            self._known = ready
            self._settled = now

    def _settle(self) -> None:
        self._heap.unfreeze()
        self._heap.collect()
        self._heap.freeze()
        # Python collects the oldest generation once it has grown by a quarter. This resets the count to zero.
        self._heap.collect()
