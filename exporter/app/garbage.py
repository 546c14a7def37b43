"""Keeps the pauses of the garbage collector short, however many users there are."""

from __future__ import annotations

import gc
import sys
from typing import Protocol

_COLLECT = (2_000, 5, 10)
"""Small portions of young objects; the oldest generation as Python does it by default."""
_TURN = 0.0005
_WARM_UP = 600.0
"""Seconds after a start or reload in which the first sweeps are expected to end."""
_SETTLE_EVERY = 86_400.0


class MonotonicClock(Protocol):
    """The part of a clock that this needs."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class Heap(Protocol):
    """The functions of the module `gc` that this needs."""

    def collect(self) -> int:
        """Collect all generations."""
        ...

    def freeze(self) -> None:
        """Leave out everything there is from later collections."""
        ...

    def unfreeze(self) -> None:
        """Take everything in again."""
        ...


def tune_interpreter() -> None:
    """See to it that a probe is answered soon, whatever else goes on.

    A thread that waits for the interpreter gets it half a millisecond after it asked, instead of five, of which many
    workers make a multiple.
    """
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_TURN)


class GarbagePolicy:
    """Freezes what lives for long, so that a full collection does not go through all of it.

    Going through the millions of objects of a large enterprise holds the interpreter for hundreds of milliseconds.
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

    def begin(self) -> None:
        """What a restart or a reload has put together is complete; the first sweeps are still to come."""
        self._settle()
        self._began = self._clock.monotonic()
        self._settled = None

    def check(self, ready: frozenset[str], *, all_ready: bool) -> None:
        """Freeze what has come; called every few seconds.

        Args:
            ready: the organizations that have been swept.
            all_ready: whether those are all.
        """
        now = self._clock.monotonic()
        if self._settled is None and not all_ready and now - self._began < _WARM_UP:
            # Costs nothing. Cycles that get frozen here are found when the sweeps are over.
            self._heap.freeze()
        elif self._settled is None or ready - self._known or now - self._settled >= _SETTLE_EVERY:
            self._settle()
            self._known = ready
            self._settled = now

    def _settle(self) -> None:
        self._heap.unfreeze()
        self._heap.collect()
        self._heap.freeze()
        # Python collects the oldest generation once it has grown by a quarter: from here on counted from nothing.
        self._heap.collect()
