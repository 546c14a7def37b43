"""Connection pools of urllib3 whose sockets a deadline can shut down, and that close idle connections."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

from exporter.common.certificates import TlsError
from exporter.common.exceptions import clear_chain
from exporter.common.tls_alerts import alert_in
from exporter.http.interim import FinalResponse
from exporter.http.reuse import ReusePolicy

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

    from exporter.common.clock import Clock
    from exporter.common.live_tls import LiveTls
    from exporter.http.deadline import Call

_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""TCP keepalive: a probe after 15 idle seconds keeps most middleboxes from dropping the connection."""

_HEADER_LINES = 64
"""Lines of headers that are kept. A session sends about ten, one more after each change of the token, and one for each
length of what it posts."""


class Context:
    """What the connections of a session share: TLS settings, the current call of each thread, clock and reuse policy.

    Args:
        clock: monotonic time.
        tls: certificate authorities and client certificate.

    Attributes:
        header_lines: the lines of headers that were sent, by name and values; there are few.
    """

    def __init__(self, clock: Clock, tls: LiveTls) -> None:
        self.clock = clock
        self.tls = tls
        self.reuse = ReusePolicy(clock)
        self.header_lines: dict[tuple[str, tuple[str, ...]], bytes] = {}
        self._thread = threading.local()

    @property
    def call(self) -> Call:
        """The current call of this thread."""
        call: Call = self._thread.call
        return call

    @call.setter
    def call(self, call: Call) -> None:
        self._thread.call = call

    @call.deleter
    def call(self) -> None:
        del self._thread.call


class GuardedConnection(HTTPConnection):
    """Keeps a second handle of its socket, which can be shut down even in the middle of a TLS handshake."""

    response_class = FinalResponse
    context: Context
    """Set by the pool."""
    idle_since = 0.0
    _buffer: list[bytes]
    """The lines of a request until they are sent; of http.client."""
    _handle: socket.socket | None = None
    _call: Call | None = None

    @property
    def outdated(self) -> bool:
        """Whether its TLS settings have been replaced."""
        return False

    def _new_conn(self) -> socket.socket:
        call = self.context.call
        host, limit = self._dns_host, self.timeout
        addresses = _addresses(self, host)
        try:
            # One address after the other, all within the time of the call; urllib3 would give each the whole time.
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                if (remaining := call.remaining()) <= 0:
                    break
                self._dns_host, self.timeout = address, remaining / left
                try:
                    opened = super()._new_conn()
                except HTTPError as error:
                    if left == 1:
                        raise
                    clear_chain(error)
                    continue
                for option in _KEEPALIVE:
                    opened.setsockopt(*option)
                self._attach(call, opened.dup())
                return opened
        finally:
            self._dns_host, self.timeout = host, limit
        raise ConnectTimeoutError(self, "out of time")

    def _attach(self, call: Call, handle: socket.socket) -> None:
        self._call, self._handle = call, handle
        call.attach(handle)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """As in urllib3, for the current call of this thread."""
        if self._handle is not None:
            self._attach(self.context.call, self._handle)
        super().request(*args, **kwargs)

    def putheader(self, header: str, *values: Any) -> None:  # type: ignore[override]
        """As in urllib3 and http.client, which check each header again in each request."""
        lines = self.context.header_lines
        line = lines.get((header, values))
        if line is not None:
            self._buffer.append(line)
            return
        before = len(self._buffer)
        super().putheader(header, *values)
        if len(lines) >= _HEADER_LINES:
            lines.clear()
        if len(self._buffer) == before + 1:
            lines[header, values] = self._buffer[-1]

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """As in urllib3, with a shorter timeout on a connection that a middlebox may have dropped."""
        call, whole = self.context.call, self.timeout
        timeout = None
        if call.resendable and call.idle is not None:
            timeout = self.context.reuse.answer_timeout(call.limit, call.idle)
        if timeout is None:
            return super().getresponse()
        used = self.sock
        self.timeout = timeout
        try:
            response = super().getresponse()
        finally:
            self.timeout = whole
        with contextlib.suppress(OSError):  # already closed if the answer has no body
            used.settimeout(whole)
        return response

    def close(self) -> None:
        """As in urllib3; the call that reads the last answer can still be cancelled."""
        super().close()
        call, handle = self._call, self._handle
        self._call = self._handle = None
        if handle is not None and not (call is not None and call.keep(handle)):
            handle.close()


class GuardedTlsConnection(GuardedConnection, HTTPSConnection):
    """The same over TLS. It uses the authorities and the client certificate as they are when it is opened."""

    ssl_context: ssl.SSLContext | None

    @property
    def outdated(self) -> bool:
        """Whether its TLS settings have been replaced."""
        return self.ssl_context is not self.context.tls.context

    def connect(self) -> None:
        """As in urllib3."""
        tls = self.context.tls
        try:
            self.ssl_context = tls.context
            if self.proxy_config is not None:
                self.proxy_config = self.proxy_config._replace(ssl_context=tls.proxy_context)
        except TlsError as error:
            raise ssl.SSLError(str(error)) from None
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """As in urllib3, but with the alert of the server if that has closed the connection."""
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError:
            if self.sock is not None and (alert := alert_in(self.sock)) is not None:
                raise alert from None
            raise


class GuardedPool(HTTPConnectionPool):
    """Closes connections that were idle for too long instead of using them again."""

    ConnectionCls = GuardedConnection
    context: Context
    """Set by the adapter."""

    def _new_conn(self) -> GuardedConnection:
        connection = cast("GuardedConnection", super()._new_conn())
        connection.context = self.context
        return connection

    def _get_conn(self, timeout: float | None = None) -> GuardedConnection:
        connection = cast("GuardedConnection", super()._get_conn(timeout))
        call = self.context.call
        call.idle = None
        if not connection.is_closed:
            idle = self.context.clock.monotonic() - connection.idle_since
            if call.resent or idle > self.context.reuse.max_idle() or connection.outdated:
                connection.close()  # sending the request opens it again
            else:
                call.idle = idle
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = self.context.clock.monotonic()
        super()._put_conn(conn)

    def close_idle(self) -> bool:
        """Close the connections that were idle for too long; True if others are still idle."""
        connections = self.pool
        if connections is None:
            return False
        oldest = self.context.clock.monotonic() - self.context.reuse.max_idle()
        stale: list[GuardedConnection] = []
        fresh = False
        with connections.mutex:
            for place, connection in enumerate(connections.queue):
                if connection is None or connection.is_closed:
                    continue
                if connection.idle_since < oldest:
                    stale.append(connection)
                    connections.queue[place] = None
                else:
                    fresh = True
        for connection in stale:
            connection.close()
        return fresh


class GuardedTlsPool(GuardedPool, HTTPSConnectionPool):  # type: ignore[misc]
    """The same over TLS."""

    ConnectionCls = GuardedTlsConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": GuardedPool, "https": GuardedTlsPool}


def _addresses(connection: HTTPConnection, host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        failure = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, "no such name")
        raise NameResolutionError(host, connection, failure) from error
    return [str(place[0]) for _, _, _, _, place in found]
