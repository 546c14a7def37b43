"""The HTTP server of the simulated platform. It uses real sockets, so that faults look to a client as real ones do."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from exporter.platform.yunxiao.simulator.faults import Faults
from exporter.platform.yunxiao.simulator.handler import Handler
from exporter.platform.yunxiao.simulator.records import TokenRecord
from exporter.platform.yunxiao.simulator.tally import Tally

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from exporter.platform.yunxiao.simulator.enterprise import Enterprise
    from exporter.platform.yunxiao.simulator.faults import Fault
    from exporter.platform.yunxiao.simulator.lively import Lively

_OWN_LIFETIME = 90 * 86400.0


class Simulator:
    """A platform on loopback, from `start` to `stop`. Its attributes may be changed while it runs.

    Args:
        enterprise: the users and their tokens.
        port: 0 for a free one.
        token: the administrator's token that requests must carry; a new random one if None. It lives for 90 days,
            unless `own_expires_at` is set to another time in epoch seconds, or None for never.
        tls: context for HTTPS; None for HTTP.
        hosts: `Host` headers to answer, others get 404 as from a shared gateway; None for any.
        lively: changes the enterprise as time passes; None for an enterprise that only tests change.
    """

    def __init__(
        self,
        enterprise: Enterprise,
        *,
        port: int = 0,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        hosts: frozenset[str] | None = None,
        lively: Lively | None = None,
    ) -> None:
        self.enterprise = enterprise
        self._lively = lively
        self.faults = Faults()
        self.hosts = hosts
        self.token = token or f"pt-{secrets.token_hex(8)}_{secrets.token_hex(16)}"
        self.own_expires_at: float | None = time.time() + _OWN_LIFETIME
        self._scheme = "http" if tls is None else "https"
        self._stopping = threading.Event()
        self._tally = Tally()
        self._server = Server(("127.0.0.1", port), self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)

    @property
    def url(self) -> str:
        """The address to configure as `endpoint`."""
        host = "127.0.0.1" if self._scheme == "http" else "localhost"
        return f"{self._scheme}://{host}:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Start to answer requests."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, and close all connections, even in the middle of an answer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def requests(self, subject: str | None = None) -> int:
        """The number of requests about a user, or to a path such as ``/platform/users``; None for all."""
        return self._tally.requests(subject)

    def busiest_second(self) -> int:
        """The most requests that came within one second of the clock."""
        return self._tally.busiest_second()

    def most_at_once(self) -> int:
        """The most requests that were in flight at the same time."""
        return self._tally.most_at_once()

    def overlaps(self) -> int:
        """How often a request about a user came while another about the same user was in flight."""
        return self._tally.overlaps()

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over or `stop` is called."""
        self._stopping.wait(seconds)

    def own_token(self) -> TokenRecord:
        """The administrator's token, as listed among the tokens of its owner."""
        end = time.time() if self.own_expires_at is None else self.own_expires_at
        public = self.token.partition("_")[0]
        return TokenRecord(public, "exporter", ("base_user_read",), end - _OWN_LIFETIME, self.own_expires_at)

    @property
    def stopping(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopping.is_set()

    def advance(self) -> None:
        """Apply the steps that are due by now, if the enterprise is lively."""
        if self._lively is not None:
            self._lively.advance()

    def accepts(self, token: str) -> bool:
        """Whether this is the administrator's token, and not revoked."""
        revoked_after = self.faults.quirks.revoke
        return secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode()) and (
            revoked_after is None or self.requests() <= revoked_after
        )

    def fault_of(self, subject: str) -> Fault | None:
        """The fault that a request about a user, or to a path, gets; None for a good answer."""
        fault = self.faults.pick(subject)
        return self._lively.fault_of(subject) if fault is None and self._lively is not None else fault

    @contextlib.contextmanager
    def tallied(self, subject: str) -> Iterator[bool]:
        """Count a request, in flight inside the context; gives whether it exceeds the rate limit."""
        limit = self.faults.per_second
        with self._tally.request(subject, int(time.time())) as so_far:
            yield limit is not None and so_far > limit


class Server(ThreadingHTTPServer):
    """Accepts connections; each has a thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], simulator: Simulator, tls: ssl.SSLContext | None) -> None:
        self.simulator = simulator
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            # The handshake happens at the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close all connections, even in the middle of an answer."""
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that disconnects during a request is not worth a traceback."""
