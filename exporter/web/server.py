"""Uvicorn in a thread of its own, on sockets that are open already."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl
    from collections.abc import Sequence

    from starlette.types import ASGIApp

_GRACE = 2
"""Seconds that answers under way get at shutdown."""
_FIRST_REQUEST = 15
"""Seconds in which the first request of a connection must have come, headers and all."""
_IDLE = 75
"""Seconds that an idle connection is kept: more than the usual scrape interval, so that Prometheus keeps its own."""


class ImpatientProtocol(H11Protocol):
    """Closes a connection whose first request does not come; uvicorn itself would keep it for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(_FIRST_REQUEST, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class WebServer:
    """Serves an application until it is stopped."""

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            app,
            http=ImpatientProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_IDLE,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = uvicorn.Server(config)
        self._sockets = list(sockets)
        self._thread = threading.Thread(target=self._server.run, args=(self._sockets,), name="web", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the answers under way, but not for long, and close the sockets."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_GRACE + 1)
        for opened in self._sockets:
            opened.close()
