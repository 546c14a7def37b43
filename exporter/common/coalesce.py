"""Shares the runs of a function among concurrent callers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from exporter.common.cancellation import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Coalesced(Generic[T]):
    """A function that runs once at a time, and whose waiting callers share the next run.

    Each caller gets the result of a run that began after the call. So a hundred callers during one run cause one more
    run, not a hundred.

    Args:
        run: the function. If it raises, its caller gets the exception, and a waiting caller runs it again.
    """

    def __init__(self, run: Callable[[], T]) -> None:
        self._run = run
        # Guards the fields below, and wakes the waiting callers.
        self._changed = threading.Condition()
        self._begun = 0
        self._ended = 0
        self._running = False
        self._stopped = False
        self._result: tuple[T] | None = None

    def __call__(self) -> T:
        """The result of a run that begins after this call.

        Raises:
            StoppedError: `stop` was called before the result was available.
        """
        with self._changed:
            mine = self._begun + 1
            while True:
                if self._ended >= mine and self._result is not None:
                    return self._result[0]
                if self._stopped:
                    raise StoppedError
                if not self._running:
                    break
                self._changed.wait()
            self._begun += 1
            self._running = True
        return self._run_now()

    def _run_now(self) -> T:
        result: tuple[T] | None = None
        try:
            result = (self._run(),)
        finally:
            with self._changed:
                self._ended += 1
                self._running = False
                self._result = result
                self._changed.notify_all()
        return result[0]

    def stop(self) -> None:
        """Start no more runs, and wake all waiting callers, which raise `StoppedError`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
