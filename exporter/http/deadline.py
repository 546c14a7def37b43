"""Limits the total time of a request from another thread.

requests limits the time to connect and the time between two bytes, but not the total: a server that sends one byte a
second would keep a request forever. Here a watchdog shuts down the socket of a call at its deadline, during the
handshake, the proxy tunnel, the headers or the body.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from typing import TYPE_CHECKING, Protocol

from exporter.http.large_answers import LargeAnswers

if TYPE_CHECKING:
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor

_IDLE_CHECK = 5.0
"""Seconds between two checks for idle connections to close."""


class Owner(Protocol):
    """The owner of calls: a session with its connections."""

    def close_idle(self) -> bool:
        """Close the connections that were idle for too long; True if others are still idle."""
        ...


class Call:
    """One request in flight: its deadline, and the socket to shut down when that has passed.

    Attributes:
        owner: the session that sends the request.
        limit: time limit of the request, in seconds.
        over: whether the call was ended, by its deadline or by `end`.
        resendable: whether the request may be sent twice.
        resent: whether it was sent twice; then it uses fresh connections only.
        idle: seconds that the connection was idle before this call; None for a fresh one.
    """

    def __init__(self, clock: Clock, limit: float, owner: Owner) -> None:
        self.owner = owner
        self.limit = limit
        self.deadline = clock.monotonic() + limit
        self.over = False
        self.resendable = False
        self.resent = False
        self.idle: float | None = None
        self._clock = clock
        # Guards _socket, _kept and over: the watchdog ends calls from its own thread.
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._kept = False

    def remaining(self) -> float:
        """Seconds until the deadline; 0 after the end of the call."""
        return 0.0 if self.over else max(0.0, self.deadline - self._clock.monotonic())

    def attach(self, handle: socket.socket) -> None:
        """Set the socket that the call uses now."""
        with self._lock:
            self._forget_socket()
            self._socket = handle
            if self.over:
                _shut_down(handle)

    def keep(self, handle: socket.socket) -> bool:
        """Take over a socket whose connection was closed, since its answer may still be read.

        Returns:
            False if the call does not use this socket; then it is not taken over.
        """
        with self._lock:
            if self._socket is not handle:
                return False
            self._kept = True
            return True

    def detach(self) -> None:
        """Give up the socket at the end of the request: another call may use it from now on."""
        with self._lock:
            self._forget_socket()

    def end(self) -> None:
        """End the call now; a thread that waits for its socket gets an error or an end of file."""
        with self._lock:
            self.over = True
            if self._socket is not None:
                _shut_down(self._socket)

    def _forget_socket(self) -> None:
        if self._socket is not None and self._kept:
            self._socket.close()
        self._socket = None
        self._kept = False


def _shut_down(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer may have closed it already
        handle.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Ends calls at their deadlines and closes connections that are idle for too long.

    It has one thread for all sessions, which the owner of the watchdog starts and stops.

    Args:
        clock: monotonic time, the same as that of the sessions.
        supervisor: makes the thread.

    Attributes:
        large_answers: the memory for large answers, which all sessions share.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor) -> None:
        self.clock = clock
        self.large_answers = LargeAnswers()
        # Guards the fields below.
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        # The owners of calls since the last check: they may have idle connections.
        self._owners: set[Owner] = set()
        self._wakes_at = math.inf
        self._stopping = False
        self._worker = supervisor.worker("watchdog", self._check)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """End all calls and the thread."""
        with self._lock:
            self._stopping = True
            for call in self._calls:
                call.end()
        self._worker.stop()

    def begin(self, limit: float, owner: Owner) -> Call:
        """A new call with this time limit, in seconds. It must be followed by `end`."""
        call = Call(self.clock, limit, owner)
        with self._lock:
            self._calls.add(call)
            if self._stopping:
                call.end()
            elif call.deadline < self._wakes_at:
                self._worker.wake()
        return call

    def end(self, call: Call) -> None:
        """A call is complete: its socket may be used by others."""
        call.detach()
        with self._lock:
            self._calls.discard(call)
            self._owners.add(call.owner)

    def end_calls_of(self, owner: Owner) -> None:
        """End all calls of one owner."""
        with self._lock:
            for call in self._calls:
                if call.owner is owner:
                    call.end()

    def _check(self) -> float | None:
        """End calls past their deadlines; the seconds until the next check, None if the next call wakes the thread."""
        with self._lock:
            owners, self._owners = self._owners, set()
        idle = {owner for owner in owners if owner.close_idle()}
        with self._lock:
            self._owners |= idle
            now = self.clock.monotonic()
            # Calls in flight count too: when they end, their connections are idle.
            wakes_at = now + _IDLE_CHECK if self._owners or self._calls else math.inf
            for call in self._calls:
                if call.deadline <= now:
                    call.end()
                else:
                    wakes_at = min(wakes_at, call.deadline)
            self._wakes_at = wakes_at
            return None if wakes_at == math.inf else wakes_at - now
