"""The connections of clients: how many there may be, and how long each may take for what it does.

A connection costs a descriptor, which polls and storage need as well, so clients get a share of them. When the share is
used up, the connection that has been idle for longest is closed for a new one; if none is idle, the new one is refused.
All of this happens in the event loop's thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    from starlette.types import Scope

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals

CONNECTION = "yunxiao.connection"
"""The key of the client's `Connection` among the extensions of an ASGI scope."""
MAX_CONNECTIONS = 512
"""Connections of clients at most, however many descriptors there are."""
MIN_CONNECTIONS = 16
"""Connections of clients at least, however few descriptors there are."""
REQUEST_TIMEOUT = 15.0
"""Seconds from the first byte of a request, or from the connection, until the request must be there."""
RESPONSE_TIMEOUT = 60.0
"""Seconds in which a client must have read an answer."""
IDLE_TIMEOUT = 75.0
"""Seconds between two requests: more than the usual scrape interval, so that Prometheus keeps its connection."""
UNSENT_BYTES = 256 << 10
"""Bytes that the kernel keeps for a client that is not ready for them."""
_READER_GRACE = 5.0
"""Seconds that a client may read an answer before it can lose its connection to a new client."""
PENALTY_TIMEOUT = 10.0
"""Seconds that a client can be kept waiting for a refusal."""
_CUT_TAKES = 1.0
"""Seconds in which the event loop frees the descriptor of a connection that was cut, usually."""
_FORGOTTEN_AFTER = 10.0
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SHED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Accept = Callable[[], tuple[socket.socket, Any]]


def connection_limit() -> int:
    """How many connections clients may have: half of the descriptors that the process may open, within the bounds."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, descriptors // 2))


class Phase(Enum):
    """What a connection does; the value is how many seconds it may do so, None for as long as it takes."""

    REQUEST = REQUEST_TIMEOUT
    """The client is to send a request: the first one, the rest of one, TLS handshake included."""
    HANDLING = None
    """The exporter works on the answer."""
    RESPONSE = RESPONSE_TIMEOUT
    """The client is to read an answer."""
    PENALTY = PENALTY_TIMEOUT
    """The client is kept waiting for its refusal, so that it asks less often."""
    IDLE = IDLE_TIMEOUT
    """Between two requests."""


_LATE = {Phase.REQUEST: Refusal.SLOW_REQUEST, Phase.RESPONSE: Refusal.SLOW_READER}


class Connection(socket.socket):
    """A client's connection: the socket itself, for nothing else knows when its descriptor is free again."""

    table: Connections
    address: str
    phase: Phase
    since: float

    @classmethod
    def of(cls, accepted: socket.socket, address: str, table: Connections) -> Connection:
        """The accepted socket, which must not be used any more."""
        made = cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        made.table, made.address, made.phase, made.since = table, address, Phase.REQUEST, table.now()
        if made.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Without, the kernel takes megabytes for a client that does not read them.
            with contextlib.suppress(OSError):
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        return made

    def enter(self, phase: Phase) -> None:
        """The connection does something else from now on; its time starts again unless it did so before."""
        if phase is not self.phase:
            self.restart(phase)

    def restart(self, phase: Phase) -> None:
        """The connection begins something new; its time starts."""
        self.phase, self.since = phase, self.table.now()

    def has_sent(self) -> bool:
        """Whether the client has sent something that has not been read yet: it is not as idle as it seems."""
        return bool(self._peek())

    def is_abandoned(self) -> bool:
        """Whether the client has closed its end, which the event loop is about to see."""
        return self._peek() == b""

    def _peek(self) -> bytes | None:
        try:
            return self.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def cut(self) -> None:
        """End the connection, whatever is still to be sent. The event loop then frees the descriptor."""
        self.table.left(self)
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the descriptor."""
        self.table.closed(self)
        super().close()


def connection_of(scope: Scope) -> Connection | None:
    """The connection of a request; None outside of the exporter's own server."""
    found: Connection | None = scope.get("extensions", {}).get(CONNECTION)
    return found


class Connections:
    """All connections of clients.

    Args:
        capacity: how many there may be.
        clock: monotonic time.
        refusals: counts those that are refused or cut off.
    """

    def __init__(self, capacity: int, clock: MonotonicClock, refusals: Refusals) -> None:
        self.now: Callable[[], float] = clock.monotonic
        self._capacity = capacity
        self._refusals = refusals
        # By descriptor, oldest first. Those that have been cut, and when, keep their descriptor for a moment.
        self._open: dict[int, Connection] = {}
        self._cut: dict[int, float] = {}
        self._spare = _a_descriptor()

    def __len__(self) -> int:
        """How many descriptors are in use."""
        return len(self._open)

    def by_descriptor(self, descriptor: int) -> Connection:
        """The connection with this descriptor."""
        return self._open[descriptor]

    def accept(self, accept: Accept) -> tuple[Connection, Any]:
        """Accept a connection, if there is room.

        Args:
            accept: the plain `accept` of a listening socket.

        Raises:
            BlockingIOError: there is none to accept, or no room for it now. The event loop tries again.
        """
        if len(self._open) >= self._capacity:
            self._make_room()
            self._shed(accept)
            raise BlockingIOError
        try:
            accepted, peer = accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            self._make_room()
            if not self._shed_with_spare(accept):
                # The event loop waits for a second before it tries again.
                raise
            raise BlockingIOError from None
        made = Connection.of(accepted, _host(peer), self)
        self._open[made.fileno()] = made
        return made, peer

    def sweep(self) -> None:
        """Cut off those that take too long. To be called every second."""
        now = self.now()
        for one in self._living():
            limit = one.phase.value
            if limit is not None and now - one.since >= limit:
                if (late := _LATE.get(one.phase)) is not None:
                    self._refusals.refused(late, one.address)
                one.cut()
        for descriptor, since in list(self._cut.items()):
            if now - since >= _FORGOTTEN_AFTER:
                # The event loop has lost it. Without this reference it is freed.
                del self._cut[descriptor]
                self._open.pop(descriptor, None)

    def left(self, connection: Connection) -> None:
        """A connection has been cut; its descriptor will be free in a moment."""
        self._cut[connection.fileno()] = self.now()

    def closed(self, connection: Connection) -> None:
        """A connection's descriptor is about to be free."""
        descriptor = connection.fileno()
        if self._open.get(descriptor) is connection:
            del self._open[descriptor]
            self._cut.pop(descriptor, None)

    def stop(self) -> None:
        """Close what the table itself holds."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _living(self) -> list[Connection]:
        return [one for descriptor, one in self._open.items() if descriptor not in self._cut]

    def _make_room(self) -> None:
        """Cut the connection that is needed least; does nothing if each one is needed.

        Raises:
            BlockingIOError: there will be room in a moment.
        """
        now = self.now()
        if not any(now - since < _CUT_TAKES for since in self._cut.values()):
            if (victim := self._victim(now)) is None:
                return
            if not victim.is_abandoned():
                self._refusals.refused(Refusal.TOO_MANY_CONNECTIONS, victim.address)
            victim.cut()
        raise BlockingIOError

    def _victim(self, now: float) -> Connection | None:
        """The connection that is needed least: the longest idle one, one to be refused, or the slowest reader."""
        living = sorted(self._living(), key=lambda one: one.since)
        for one in living:
            if one.phase in {Phase.REQUEST, Phase.IDLE} and not one.has_sent():
                return one
        for one in living:
            if one.phase is Phase.PENALTY:
                return one
        for one in living:
            if one.phase is Phase.RESPONSE and now - one.since >= _READER_GRACE:
                return one
        return None

    def _shed(self, accept: Accept) -> bool:
        """Refuse the next client in words, as far as that works without waiting. False if it could not be accepted."""
        try:
            accepted, peer = accept()
        except OSError:
            return False
        with accepted, contextlib.suppress(OSError):
            self._refusals.refused(Refusal.TOO_MANY_CONNECTIONS, _host(peer))
            accepted.setblocking(False)
            accepted.send(_SHED)
        return True

    def _shed_with_spare(self, accept: Accept) -> bool:
        """Refuse the next client though there are no descriptors: else the event loop would try again at once."""
        self.stop()
        shed = self._shed(accept)
        self._spare = _a_descriptor()
        return shed


def _a_descriptor() -> int | None:
    """A descriptor to keep in reserve; None if there are none."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _host(peer: Any) -> str:
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


class ListeningSocket(socket.socket):
    """A listening socket whose connections are counted."""

    table: Connections

    @classmethod
    def of(cls, opened: socket.socket, table: Connections) -> ListeningSocket:
        """A second descriptor for an open listening socket."""
        made = cls(opened.family, opened.type, opened.proto, fileno=os.dup(opened.fileno()))
        made.setblocking(False)
        made.table = table
        return made

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, if there is room."""
        return self.table.accept(super().accept)
