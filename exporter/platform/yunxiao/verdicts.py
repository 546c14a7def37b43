"""Whether the platform refuses a token: one thread checks, and all threads share its verdict."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.common.cancellation import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret

STANDS = 60.0
"""Seconds for which a refusal stands, unless the token is accepted meanwhile."""


@dataclass(slots=True)
class _Check:
    """A check in progress.

    Attributes:
        waiting: set when the check has ended, one for each thread that waits.
        refused: the verdict; None before it is known, and if the check was cancelled.
    """

    waiting: list[Stop] = field(default_factory=list)
    refused: bool | None = None


class Verdicts:
    """Decides about tokens, with one check of a token at a time. Threads share it.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Guards the fields below: every thread whose request was refused comes here.
        self._lock = threading.Lock()
        self._checks: dict[Secret, _Check] = {}
        # Tokens that were refused, and until when that stands.
        self._refused: dict[Secret, float] = {}

    def refused(self, token: Secret, check: Callable[[], bool], stop: Stop) -> bool:
        """Whether the platform refuses a token: known for a short time, found by another thread, or by `check`.

        Args:
            token: a request with it was refused.
            check: finds out with further requests. It is called unless another thread checks the same token.
            stop: cancels the wait for another thread.

        Raises:
            StoppedError: the stop ended the wait.
        """
        while True:
            with self._lock:
                if self._stands(token):
                    return True
                current = self._checks.get(token)
                if current is None:
                    current = self._checks[token] = _Check()
                    break
                waiter = Stop(stop)
                current.waiting.append(waiter)
            waiter.wait(None)
            waiter.release()
            if current.refused is not None:
                return current.refused
            # This call was cancelled, or the one that checked was: then this thread or another one checks.
            stop.check()
        try:
            current.refused = check()
        finally:
            self._ended(token, current)
        return current.refused

    def accepted(self, token: Secret) -> None:
        """The platform accepted a token: a refusal of it does not stand any longer."""
        # Read without the lock: nearly always there is none.
        if self._refused:
            with self._lock:
                self._refused.pop(token, None)

    def _ended(self, token: Secret, check: _Check) -> None:
        with self._lock:
            del self._checks[token]
            if check.refused:
                self._refused[token] = self._clock.monotonic() + STANDS
        for waiter in check.waiting:
            waiter.set()

    def _stands(self, token: Secret) -> bool:
        if self._refused:
            now = self._clock.monotonic()
            # Only those that stand are kept, so a token file that changes all the time does not fill the memory.
            self._refused = {one: until for one, until in self._refused.items() if now < until}
        return token in self._refused
