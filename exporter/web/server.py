"""Uvicorn in a thread of its own, on sockets that are open already."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence

    from starlette.types import ASGIApp

_GRACE = 2
"""Seconds that answers under way get at shutdown."""
_IDLE = 75
"""Seconds that an idle connection is kept: more than the usual scrape interval, so that Prometheus keeps its own."""


class WebServer:
    """Serves an application until it is stopped."""

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            app,
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
