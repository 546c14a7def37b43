"""Runs uvicorn in its own thread on sockets that are already open."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from exporter.web.connections import IDLE_TIMEOUT, Connections, ListeningSocket, connection_limit
from exporter.web.protocol import MAX_HEADER_BYTES, BoundedProtocol
from exporter.web.start_line import addresses_of, start_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from exporter.common.worker import MonotonicClock, Supervisor
    from exporter.web.live_security import LiveSecurity
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)
_GRACE = 2
"""Seconds to finish responses at shutdown."""
_BACKLOG = 512
"""Connections that the operating system queues until they are accepted."""
_TICK = 1.0
"""Seconds between two ticks. Uvicorn's own loop wakes up ten times as often, to notice a stop."""
_TICKS_OF_UVICORN = 10
"""Uvicorn updates the date of responses with each tick whose number is a multiple of this."""


class _Server(uvicorn.Server):
    """Uvicorn's server with the connections' time limits and limited logging."""

    def __init__(self, config: uvicorn.Config, connections: Connections, refusals: Refusals) -> None:
        super().__init__(config)
        self._connections = connections
        self._refusals = refusals
        # Set by the event loop's thread before it first reads `should_exit`.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit_requested = asyncio.Event()

    def request_exit(self) -> None:
        """Stop serving soon. Any thread may call."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._exit_requested.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self._refusals.loop_error(context))
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Tick once a second until a stop is requested."""
        counter = 0
        while not await self.on_tick(counter):
            counter += _TICKS_OF_UVICORN
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exit_requested.wait(), _TICK)

    async def on_tick(self, counter: int) -> bool:
        """Called once a second."""
        self._connections.sweep()
        return await super().on_tick(counter)


class WebServer:
    """Serves an application until it is stopped, and follows the files of its web configuration.

    Args:
        security: the application with TLS, authentication and limits.
        sockets: open listening sockets.
        supervisor: makes the server's threads.
        clock: monotonic time.
        refusals: counts and logs refused clients.
    """

    def __init__(
        self,
        security: LiveSecurity,
        sockets: Sequence[socket.socket],
        supervisor: Supervisor,
        clock: MonotonicClock,
        refusals: Refusals,
    ) -> None:
        self._security = security
        self._sockets = list(sockets)
        self._clock = clock
        self._refusals = refusals
        # Guards the fields below, so that no socket is closed while it is being handed to the server.
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._stopping = False
        # One step runs the server until it stops, so it never counts as stuck.
        self._worker = supervisor.worker("web", self._serve, stuck_after=None)
        self._files = supervisor.worker("web files", security.check)

    def start(self) -> None:
        """Start to answer requests, and log where."""
        security = self._security.current
        line = start_line(addresses_of(self._sockets), security)
        (_log.info if line["warning"] is None else _log.warning)("listening", **line)
        for warning in security.warnings:
            _log.warning("web configuration", detail=warning)
        self._worker.start()
        if security.files:
            self._files.start()

    def stop(self) -> None:
        """Finish responses for at most two seconds, and close the sockets."""
        with self._lock:
            self._stopping = True
            if self._server is not None:
                self._server.request_exit()
            for opened in self._sockets:
                opened.close()
        self._files.stop(1)
        self._worker.stop(_GRACE + 1)

    def _serve(self) -> None:
        with self._lock:
            if self._stopping:
                return
            # Created here because the process raises its descriptor limit after the start.
            connections = Connections(connection_limit(), self._clock, self._refusals)
            sockets: list[socket.socket] = [ListeningSocket.of(opened, connections) for opened in self._sockets]
            self._server = _Server(self._config(connections), connections, self._refusals)
        try:
            self._server.run(sockets)
        finally:
            connections.stop()
            for opened in sockets:
                opened.close()
        if not self._stopping:
            raise RuntimeError("the HTTP server stopped unexpectedly")

    def _config(self, connections: Connections) -> uvicorn.Config:
        protocol: Any = functools.partial(BoundedProtocol, connections, self._refusals)
        tls = self._security.tls
        return uvicorn.Config(
            self._security.app,
            loop="asyncio",
            http=protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Otherwise local clients could pretend to have other addresses.
            proxy_headers=False,
            lifespan="off",
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=int(IDLE_TIMEOUT),
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
