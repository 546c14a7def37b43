"""One server for scrapes, in its own process.

usage: python -m bench.serve ours|stock|static USERS PORT [absolute|policies]

With `absolute`, as with `metrics.relative: false`; with `policies`, with four of them.
"""

from __future__ import annotations

import gzip
import socket
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from support.collector import StateCollector

from bench.fleet import CONFIG, WITH_POLICIES, WITHOUT_RELATIVE, a_store, an_exposition
from exporter.common.clock import SystemClock
from exporter.common.log_limit import LogLimit
from exporter.common.worker import Supervisor
from exporter.metrics.families.http import HTTP_REFUSED, LOG_SUPPRESSED
from exporter.metrics.telemetry import Telemetry
from exporter.state.token_index import TokenIndex
from exporter.web.app import create_app
from exporter.web.live_security import LiveSecurity
from exporter.web.refusals import Refusals
from exporter.web.security import WebSecurity
from exporter.web.served import Served
from exporter.web.server import WebServer

if TYPE_CHECKING:
    from exporter.config.schema import Config

_OPENMETRICS = "application/openmetrics-text"


def main(kind: str, users: int, port: int, config: Config) -> None:
    """Serve until the process is killed."""
    store = a_store(users)
    match kind:
        case "ours":
            telemetry, clock = Telemetry(), SystemClock()
            exposition = an_exposition(store, telemetry, config)
            served = Served(exposition, store, TokenIndex(store.view), lambda: config, tuple, None, clock)
            inc = telemetry.instruments.inc
            log_limit = LogLimit(clock, partial(inc, LOG_SUPPRESSED))
            refusals = Refusals(partial(inc, HTTP_REFUSED), log_limit, telemetry.internal_error)
            sockets = [socket.create_server(("127.0.0.1", port))]
            supervisor = Supervisor(telemetry.internal_error, clock)
            app = create_app(served, refusals)
            security = LiveSecurity(WebSecurity.none(), app, clock, refusals, lambda: None)
            WebServer(security, sockets, supervisor, clock, refusals).start()
        case "stock":
            registry = CollectorRegistry()
            registry.register(StateCollector(store, lambda: config, SystemClock()))
            start_http_server(port, "127.0.0.1", registry)
        case _:
            exposition = an_exposition(store, Telemetry(), config)
            body = exposition.scrape(f"{_OPENMETRICS}; version=1.0.0", "").content
            _static(body, port)
    threading.Event().wait()


def _static(body: bytes, port: int) -> None:
    """The lower limit: a body that is ready, plain and compressed."""
    packed = gzip.compress(body, 1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            accepted = "gzip" in self.headers.get("Accept-Encoding", "")
            content = packed if accepted else body
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(content)))
            if accepted:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    configs = {"absolute": WITHOUT_RELATIVE, "policies": WITH_POLICIES}
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), configs[sys.argv[4]] if sys.argv[4:] else CONFIG)
