"""An Alertmanager on loopback that accepts everything, or fails: unreachable, slow, 400 that echoes, 500, garbage."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from soak.ports import free_port

GOOD = "good"
_SLOW = 5.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback for a client that is killed during a request."""


class AlertmanagerStub:
    """Answers from the start, according to `mode`."""

    def __init__(self) -> None:
        self.mode = GOOD
        self.taken = 0
        self._stopping = threading.Event()
        self._port = free_port()
        self._server = self._listen(self._port)
        self.url = f"http://127.0.0.1:{self._port}"

    def behave(self, mode: str) -> None:
        """Change how it answers; ``away`` closes the port."""
        if mode == "away":
            self.close()
        elif self.mode == "away":
            self._server = self._listen(self._port)
        self.mode = mode

    def close(self) -> None:
        """Close the port if it is open."""
        self._stopping.set()
        if self.mode != "away":
            self._server.shutdown()
            self._server.server_close()
        self._stopping = threading.Event()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        stub = self
        stopping = self._stopping

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 90

            def log_message(self, *_: object) -> None:
                """Log nothing."""

            def do_POST(self) -> None:
                batch = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, body = stub.answer(self.headers.get("Authorization", ""), len(batch), stopping)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

        server = _Server(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), name="alertmanager", daemon=True).start()
        return server

    def answer(self, authorization: str, size: int, stopping: threading.Event) -> tuple[int, bytes]:
        """The status and body of the answer to one batch."""
        match self.mode:
            case "400 echoing":
                return 400, f'{{"code":601,"message":"bad header Authorization: {authorization}"}}'.encode()
            case "slow":
                stopping.wait(_SLOW)
            case "500":
                return 500, b"<html>boom</html>" * 50
            case "garbage":
                return 299, bytes(range(256)) * 40
        self.taken += size > 0
        return 200, b""
