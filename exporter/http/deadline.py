"""A limit on the total time of a request, kept from another thread.

requests limits the time to connect and the time between two bytes, not the whole: a server that sends one byte a second
holds a request for ever. Here a watchdog shuts the socket of a call down when its time is over, whatever the call is
doing then: handshake, proxy tunnel, headers or body.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from typing import TYPE_CHECKING, Protocol

from exporter.http.large_answers import LargeAnswers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor

_IDLE_CHECK = 5.0
"""Seconds between two checks for idle connections that have to be closed."""


class Owner(Protocol):
    """What calls belong to: a session with its connections."""

    def close_idle(self) -> bool:
        """Close the connections that have been idle for too long; True if others are still idle."""
        ...


class Call:
    """One request under way: until when it may take, and the socket to shut down if it takes longer.

    Attributes:
        owner: the session that sends the request.
        limit: seconds that the request may take.
        over: whether the call has been ended, by its time limit or from outside.
        resendable: whether the request may be sent twice.
        resent: whether it has been: the call uses no idle connection any more.
        idle: seconds for which the connection in use had been idle before; None for a fresh one.
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
        """Seconds left; 0 once the call has been ended."""
        return 0.0 if self.over else max(0.0, self.deadline - self._clock.monotonic())

    def attach(self, switch: socket.socket) -> None:
        """Name the socket that the call uses now."""
        with self._lock:
            self._forget_socket()
            self._socket = switch
            if self.over:
                _shut_down(switch)

    def keep(self, switch: socket.socket) -> bool:
        """Take over a socket whose connection has been closed, since its answer may still be read from it.

        Returns:
            False if the call does not use that socket; then nothing is taken over.
        """
        with self._lock:
            if self._socket is not switch:
                return False
            self._kept = True
            return True

    def detach(self) -> None:
        """The call has ended by itself: its socket may serve another one from now on."""
        with self._lock:
            self._forget_socket()

    def end(self) -> None:
        """End the call now; whatever waits on its socket wakes up with an error or an early end."""
        with self._lock:
            self.over = True
            if self._socket is not None:
                _shut_down(self._socket)

    def _forget_socket(self) -> None:
        if self._socket is not None and self._kept:
            self._socket.close()
        self._socket = None
        self._kept = False


def _shut_down(switch: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer may have been faster
        switch.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Ends the calls whose time is over, and has connections closed that are idle for too long.

    One thread for all sessions, started and stopped by the watchdog's owner.

    Args:
        clock: monotonic time; sessions use the same.
        supervisor: makes and watches the thread.

    Attributes:
        large_answers: what else all sessions share: the memory for large answers.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor) -> None:
        self.clock = clock
        self.large_answers = LargeAnswers()
        # Guards the fields below.
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        # Those with calls since the last check: they may have idle connections.
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

    @contextlib.contextmanager
    def call(self, limit: float, owner: Owner) -> Iterator[Call]:
        """A call that may take so many seconds."""
        call = Call(self.clock, limit, owner)
        with self._lock:
            self._calls.add(call)
            if self._stopping:
                call.end()
            elif call.deadline < self._wakes_at:
                self._worker.wake()
        try:
            yield call
        finally:
            call.detach()
            with self._lock:
                self._calls.discard(call)
                self._owners.add(owner)

    def end_calls_of(self, owner: Owner) -> None:
        """End the calls that one owner has under way."""
        with self._lock:
            for call in self._calls:
                if call.owner is owner:
                    call.end()

    def _check(self) -> float | None:
        """End what is overdue; the seconds until the next check, None if the next call wakes the thread."""
        with self._lock:
            owners, self._owners = self._owners, set()
        idle = {owner for owner in owners if owner.close_idle()}
        with self._lock:
            self._owners |= idle
            now = self.clock.monotonic()
            # With calls under way too: when they end, their connections are idle.
            wakes_at = now + _IDLE_CHECK if self._owners or self._calls else math.inf
            for call in self._calls:
                if call.deadline <= now:
                    call.end()
                else:
                    wakes_at = min(wakes_at, call.deadline)
            self._wakes_at = wakes_at
            return None if wakes_at == math.inf else wakes_at - now
