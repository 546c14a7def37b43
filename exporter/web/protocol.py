"""Uvicorn's HTTP protocol with time limits on every request and response of a connection."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.metrics.families.http import Refusal
from exporter.web.connections import CONNECTION, Connection, Connections, Phase
from exporter.web.headers import with_headers

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from exporter.web.refusals import Refusals

MAX_HEADER_BYTES = 16 << 10
"""Maximum bytes of a request's line and headers."""
_BUFFERED = 64 << 10
"""Bytes that are buffered for a client before its response pauses."""


class BoundedProtocol(H11Protocol):
    """One connection: reports its phase to `Connections`, which enforces the time limits."""

    def __init__(self, connections: Connections, refusals: Refusals, **options: Any) -> None:
        super().__init__(**options)
        self.logger = refusals.logger  # type: ignore[assignment]
        self.access_log = False
        self._table = connections
        self._refusals = refusals
        self._connection: Connection | None = None
        self._handled: object = None
        self._whole_app: ASGIApp = self.app
        self.app = self._call

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected and completed its TLS handshake."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_BUFFERED)
        self._connection = self._table.by_descriptor(transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes) -> None:
        """The client has sent data."""
        super().data_received(data)
        self._update_phase()

    def on_response_complete(self) -> None:
        """A response has been handed to the operating system or to the connection's buffer."""
        super().on_response_complete()
        self._update_phase()

    def send_400_response(self, msg: str) -> None:
        """Refuse an invalid request."""
        self._refusals.refused(Refusal.INVALID_REQUEST, "" if self._connection is None else self._connection.address)
        text = msg.encode("ascii", "replace")
        headers = with_headers([(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")], {})
        response = h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers, reason=b"Bad Request")
        for event in (response, h11.Data(data=text), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _update_phase(self) -> None:
        """Update the phase of the connection."""
        if self._connection is None:
            return
        if self.transport.is_closing():
            # The client has not read the response yet.
            self._connection.enter(Phase.RESPONSE)
        elif self.cycle is not None and not self.cycle.response_complete:
            if self.cycle is not self._handled:
                self._handled = self.cycle
                self._connection.restart(Phase.HANDLING)
        elif self.cycle is not None and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._connection.enter(Phase.IDLE)
        else:
            self._connection.enter(Phase.REQUEST)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with the connection among the scope's extensions."""
        connection = self._connection
        scope.setdefault("extensions", {})[CONNECTION] = connection

        async def sending(message: Message) -> None:
            if connection is not None and message["type"] == "http.response.start":
                # Before sending: even a short response waits if the client has not read the previous ones.
                connection.enter(Phase.RESPONSE)
            await send(message)

        try:
            await self._whole_app(scope, receive, sending)
        except Exception:
            self._refusals.crashed()
            raise
