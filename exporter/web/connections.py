"""Limits the number of client connections and the time of each phase of a connection.

A connection needs a file descriptor, which polls and storage need as well, so clients get a share of the descriptors.
When all are in use, the connection that has been idle for longest is closed for a new one; if none is idle, the new one
is refused. All of this runs in the event loop's thread.
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
"""Maximum number of client connections, however many descriptors there are."""
MIN_CONNECTIONS = 16
"""Minimum number of client connections, however few descriptors there are."""
REQUEST_TIMEOUT = 15.0
"""Seconds to receive a whole request, from the connection or the first byte."""
RESPONSE_TIMEOUT = 60.0
"""Seconds in which a client must read a response."""
IDLE_TIMEOUT = 75.0
"""Seconds between two requests: longer than common scrape intervals, so that Prometheus keeps its connection."""
UNSENT_BYTES = 256 << 10
"""Bytes that the kernel buffers for a client that does not read."""
_READER_GRACE = 5.0
"""Seconds that a client may read a response before it can lose its connection to a new client."""
PENALTY_TIMEOUT = 10.0
"""Maximum delay of a refusal, in seconds."""
_CUT_TAKES = 1.0
"""Seconds in which the event loop usually frees the descriptor of a closed connection."""
_FORGOTTEN_AFTER = 10.0
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SHED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Accept = Callable[[], tuple[socket.socket, Any]]


def connection_limit() -> int:
    """The number of connections that clients may have: half of the descriptor limit, within the bounds."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, descriptors // 2))


class Phase(Enum):
    """The phase of a connection; the value is its time limit in seconds, None for no limit."""

    REQUEST = REQUEST_TIMEOUT
    """Receiving a request, including the TLS handshake before the first one."""
    HANDLING = None
    """The exporter prepares the response."""
    RESPONSE = RESPONSE_TIMEOUT
    """The client reads a response."""
    PENALTY = PENALTY_TIMEOUT
    """A refusal is delayed, so that the client asks less often."""
    IDLE = IDLE_TIMEOUT
    """Between two requests."""


_LATE = {Phase.REQUEST: Refusal.SLOW_REQUEST, Phase.RESPONSE: Refusal.SLOW_READER}


class Connection(socket.socket):
    """A client's connection. It is the socket itself, which alone knows when its descriptor is free again."""

    table: Connections
    address: str
    phase: Phase
    since: float

    @classmethod
    def of(cls, accepted: socket.socket, address: str, table: Connections) -> Connection:
        """Take over an accepted socket, which must not be used afterwards."""
        made = cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        made.table, made.address, made.phase, made.since = table, address, Phase.REQUEST, table.now()
        if made.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Otherwise the kernel buffers megabytes for a client that does not read.
            with contextlib.suppress(OSError):
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        return made

    def enter(self, phase: Phase) -> None:
        """Enter a phase; the time limit starts unless the connection is already in it."""
        if phase is not self.phase:
            self.restart(phase)

    def restart(self, phase: Phase) -> None:
        """Enter a phase and start its time limit."""
        self.phase, self.since = phase, self.table.now()

    def has_sent(self) -> bool:
        """Whether the client has sent data that has not been read yet, so that it is not idle."""
        return bool(self._peek())

    def is_abandoned(self) -> bool:
        """Whether the client has closed the connection, which the event loop has not noticed yet."""
        return self._peek() == b""

    def _peek(self) -> bytes | None:
        try:
            return self.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def cut(self) -> None:
        """Close the connection without sending the rest. The event loop then frees the descriptor."""
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
    """All client connections.

    Args:
        capacity: how many are allowed.
        clock: monotonic time.
        refusals: counts refused and closed connections.
    """

    def __init__(self, capacity: int, clock: MonotonicClock, refusals: Refusals) -> None:
        self.now: Callable[[], float] = clock.monotonic
        self._capacity = capacity
        self._refusals = refusals
        # By descriptor, oldest first. `_cut`: when a connection was cut; its descriptor is in use a moment longer.
        self._open: dict[int, Connection] = {}
        self._cut: dict[int, float] = {}
        self._spare = _a_descriptor()

    def __len__(self) -> int:
        """The number of descriptors in use."""
        return len(self._open)

    def by_descriptor(self, descriptor: int) -> Connection:
        """The connection with this descriptor."""
        return self._open[descriptor]

    def accept(self, accept: Accept) -> tuple[Connection, Any]:
        """Accept a connection, if there is room.

        Args:
            accept: the plain `accept` of a listening socket.

        Raises:
            BlockingIOError: there is no connection to accept, or no room for it. The event loop tries again.
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
                # The event loop waits a second before it tries again.
                raise
            raise BlockingIOError from None
        made = Connection.of(accepted, _host(peer), self)
        self._open[made.fileno()] = made
        return made, peer

    def sweep(self) -> None:
        """Cut connections that exceed their time limit. Call it every second."""
        now = self.now()
        for one in self._living():
            limit = one.phase.value
            if limit is not None and now - one.since >= limit:
                if (late := _LATE.get(one.phase)) is not None:
                    self._refusals.refused(late, one.address)
                one.cut()
        for descriptor, since in list(self._cut.items()):
            if now - since >= _FORGOTTEN_AFTER:
                # The event loop has lost it. Dropping this reference frees it.
                del self._cut[descriptor]
                self._open.pop(descriptor, None)

    def left(self, connection: Connection) -> None:
        """Record that a connection was cut; its descriptor will be free in a moment."""
        self._cut[connection.fileno()] = self.now()

    def closed(self, connection: Connection) -> None:
        """Record that a connection's descriptor is about to be free."""
        descriptor = connection.fileno()
        if self._open.get(descriptor) is connection:
            del self._open[descriptor]
            self._cut.pop(descriptor, None)

    def stop(self) -> None:
        """Close the spare descriptor."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _living(self) -> list[Connection]:
        return [one for descriptor, one in self._open.items() if descriptor not in self._cut]

    def _make_room(self) -> None:
        """Cut the least important connection, if there is one that may be cut.

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
        """The least important connection: the longest idle one, one whose refusal is delayed, or the slowest reader."""
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
        """Refuse the next client with a 503, if possible without blocking. False if it could not be accepted."""
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
        """Refuse the next client without a free descriptor; otherwise the event loop would retry at once."""
        self.stop()
        shed = self._shed(accept)
        self._spare = _a_descriptor()
        return shed


def _a_descriptor() -> int | None:
    """A descriptor to keep in reserve; None if none is free."""
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
