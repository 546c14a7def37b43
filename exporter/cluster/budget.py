"""Connections to Redis with a limit on the time and the bytes of each call, whatever the server sends.

The library only limits the wait for each packet: a call would never end if a server sent a byte now and then, or never
stopped sending.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from exporter.common.tls_alerts import alert_in

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from redis.connection import Connection

_SHORTEST = 0.001


class Budget(threading.local):
    """The time and bytes that are left to the current call of this thread. Outside a call there is no limit."""

    def __init__(self) -> None:
        self._deadline = math.inf
        self._bytes = math.inf

    @contextmanager
    def limited(self, seconds: float, size: int) -> Iterator[None]:
        """Limit the seconds and the bytes received within the block."""
        before = self._deadline, self._bytes
        self._deadline, self._bytes = time.monotonic() + seconds, size
        try:
            yield
        finally:
            self._deadline, self._bytes = before

    def wait(self, wanted: float | None) -> float | None:
        """Seconds that one operation on a socket may wait, at most as long as wanted.

        Raises:
            TimeoutError: the call has no time left.
        """
        if self._deadline == math.inf or wanted == 0:
            return wanted
        left = self._deadline - time.monotonic()
        if left < _SHORTEST:
            raise TimeoutError("the call took too long")
        return left if wanted is None else min(wanted, left)

    def received(self, size: int) -> None:
        """Count bytes that were read.

        Raises:
            OSError: the call may not read that many.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise OSError("the answer is too large")


class _BoundedSocket:
    """A socket that keeps to the budget and otherwise behaves as the wrapped one."""

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
        try:
            self._wrapped.sendall(data)
        except (ssl.SSLEOFError, BrokenPipeError, ConnectionResetError):
            if (alert := alert_in(self._wrapped)) is not None:
                raise alert from None
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def bounded(base: type[Connection], budget: Budget) -> type[Connection]:
    """A subclass of ``base`` that keeps to the budget of the thread that uses it."""

    class Bounded(base):  # type: ignore[misc, valid-type]
        def _connect(self) -> Any:
            self.socket_connect_timeout = budget.wait(self.socket_timeout)
            return _BoundedSocket(super()._connect(), budget)

    return Bounded
