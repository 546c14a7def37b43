"""Connections to Redis whose calls end in time and read no more than they may, whatever the server sends.

The library limits the wait for each packet alone: a server that sends a byte now and then, or never stops sending,
would keep a call for ever.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from redis.connection import Connection

_SHORTEST = 0.001


class Budget(threading.local):
    """What the current call of this thread may still use. Without a call there is no limit."""

    def __init__(self) -> None:
        self._deadline = math.inf
        self._bytes = math.inf

    @contextmanager
    def limited(self, seconds: float, size: int) -> Iterator[None]:
        """Limit what connections do within the block to so many seconds and so many bytes received."""
        before = self._deadline, self._bytes
        self._deadline, self._bytes = time.monotonic() + seconds, size
        try:
            yield
        finally:
            self._deadline, self._bytes = before

    def wait(self, wanted: float | None) -> float | None:
        """How long one operation on a socket may wait, at most as long as wanted.

        Raises:
            TimeoutError: the call's time is used up.
        """
        if self._deadline == math.inf or wanted == 0:
            return wanted
        left = self._deadline - time.monotonic()
        if left < _SHORTEST:
            raise TimeoutError("the answer took too long")
        return left if wanted is None else min(wanted, left)

    def received(self, size: int) -> None:
        """Count what was read.

        Raises:
            OSError: it is more than the call may read.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise OSError("the answer is too large")


class _BoundedSocket:
    """A socket that keeps to the budget; everything else is the socket's own."""

    def __init__(self, wrapped: socket.socket, budget: Budget) -> None:
        self._wrapped = wrapped
        self._budget = budget
        self._wanted = wrapped.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        self._wanted = seconds

    def gettimeout(self) -> float | None:
        return self._wanted

    def recv(self, size: int) -> bytes:
        self._wrapped.settimeout(self._budget.wait(self._wanted))
        data = self._wrapped.recv(size)
        self._budget.received(len(data))
        return data

    def sendall(self, data: bytes) -> None:
        self._wrapped.settimeout(self._budget.wait(self._wanted))
        self._wrapped.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def bounded(base: type[Connection], budget: Budget) -> type[Connection]:
    """A kind of connection like ``base`` that keeps to the budget of the thread that uses it."""

    class Bounded(base):  # type: ignore[misc, valid-type]
        def _connect(self) -> Any:
            self.socket_connect_timeout = budget.wait(self.socket_timeout)
            return _BoundedSocket(super()._connect(), budget)

    return Bounded
