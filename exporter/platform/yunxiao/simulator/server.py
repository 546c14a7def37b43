"""The HTTP server of the simulated platform. It uses real sockets, so that faults look to a client as real ones do."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import struct
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from exporter.platform.yunxiao.simulator import directory
from exporter.platform.yunxiao.simulator.enterprise import Enterprise, TokenRecord, iso
from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind, Faults
from exporter.platform.yunxiao.simulator.tally import Tally

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

_API = "/oapi/v1"
_TOKENS_PATH = f"{_API}/platform/users/admin/personalAccessTokens"
_LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_ERROR_CODES = {400: "BadRequest", 401: "InvalidTokenError", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}
_LONGEST_SLOW_ANSWER = 600
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
    """

    def __init__(
        self,
        enterprise: Enterprise,
        *,
        port: int = 0,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        hosts: frozenset[str] | None = None,
    ) -> None:
        self.enterprise = enterprise
        self.faults = Faults()
        self.hosts = hosts
        self.token = token or f"pt-{secrets.token_hex(8)}_{secrets.token_hex(16)}"
        self.own_expires_at: float | None = time.time() + _OWN_LIFETIME
        self._scheme = "http" if tls is None else "https"
        self._stopping = threading.Event()
        self._tally = Tally()
        self._server = _Server(("127.0.0.1", port), self, tls)
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

    @contextlib.contextmanager
    def tallied(self, subject: str) -> Iterator[bool]:
        """Count a request, in flight inside the context; gives whether it exceeds the rate limit."""
        limit = self.faults.per_second
        with self._tally.request(subject, int(time.time())) as so_far:
            yield limit is not None and so_far > limit


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], simulator: Simulator, tls: ssl.SSLContext | None) -> None:
        self.simulator = simulator
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            # The handshake happens at the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that disconnects during a request is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Requests are counted, not printed."""

    def do_GET(self) -> None:
        simulator = self.server.simulator
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, encoding="utf-8").items()}
        lists_tokens = parts.path == _TOKENS_PATH
        subject = query.get("userId", "") if lists_tokens else parts.path.removeprefix(_API)
        with simulator.tallied(subject) as too_many:
            simulator.wait(simulator.faults.latency)
            if simulator.stopping:
                self.close_connection = True
            elif (
                simulator.hosts is not None and self.headers.get("Host") not in simulator.hosts
            ) or not parts.path.startswith(f"{_API}/"):
                self._refuse(404)
            elif too_many:
                self._refuse(429)
            elif not secrets.compare_digest(self.headers.get("x-yunxiao-token", ""), simulator.token):
                self._refuse(401)
            elif (fault := simulator.faults.pick(subject)) is not None:
                self._fail(fault, subject)
            elif not lists_tokens:
                self._answer(directory.answer(simulator.enterprise, simulator.faults.quirks, subject, query))
            elif subject != directory.CALLER_ID and not simulator.enterprise.knows(subject):
                self._refuse(404)
            else:
                self._send(200, self._tokens(subject))

    def _answer(self, answer: directory.Answer) -> None:
        if answer.status == HTTPStatus.OK:
            self._send(200, json.dumps(answer.body, ensure_ascii=False).encode(), answer.headers)
        else:
            self._refuse(answer.status)

    def _tokens(self, user_id: str) -> bytes:
        simulator = self.server.simulator
        records = simulator.enterprise.tokens(user_id)
        if user_id == directory.CALLER_ID:
            records = (*records, simulator.own_token())
        masked = simulator.faults.quirks.masked_ids
        return json.dumps([_wire(user_id, record, masked=masked) for record in records], ensure_ascii=False).encode()

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.wfile.write(self._head(status, len(body), headers) + body)

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> bytes:
        fields = {"Content-Type": "application/json;charset=UTF-8", "Content-Length": str(length)} | (headers or {})
        lines = [
            f"HTTP/1.1 {status} {_phrase(status)}",
            *(f"{key}: {value}" for key, value in fields.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _refuse(self, status: int) -> None:
        code = _ERROR_CODES.get(status, "InternalServerError")
        body = {"errorCode": code, "errorMessage": "simulated", "requestId": secrets.token_hex(8)}
        retry_after = self.server.simulator.faults.retry_after
        headers = {"Retry-After": retry_after} if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after else None
        self._send(status, json.dumps(body).encode(), headers)

    def _fail(self, fault: Fault, user_id: str) -> None:
        match fault.kind:
            case FaultKind.STATUS:
                self._refuse(int(fault.argument))
            case FaultKind.HTML:
                self._send(200, _LOGIN_PAGE, {"Content-Type": "text/html;charset=UTF-8"})
            case FaultKind.EMPTY:
                self._send(200, b"")
            case FaultKind.BODY:
                self._send(200, fault.argument.encode("utf-8", "surrogatepass"))
            case FaultKind.ECHO:
                token = self.headers.get("x-yunxiao-token", "")
                self._send(403, json.dumps({"errorCode": token, "errorMessage": token, "requestId": token}).encode())
            case FaultKind.REDIRECT:
                self._send(302, b"", {"Location": fault.argument})
            case _:
                self._break(fault.kind, user_id)

    def _break(self, kind: FaultKind, user_id: str) -> None:
        """Faults that leave the connection unusable."""
        self.close_connection = True
        body = self._tokens(user_id)
        match kind:
            case FaultKind.TRUNCATED:
                self.wfile.write(self._head(200, len(body) + 100) + body)
            case FaultKind.SLOW:
                self._drip(self._head(200, len(body)), body)
            case FaultKind.SLOW_HEADERS:
                self._drip(b"", self._head(200, len(body)) + body)
            case FaultKind.RESET:
                # With this option closing sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case FaultKind.HANG:
                self.server.simulator.wait(_LONGEST_SLOW_ANSWER)
            case _:
                raise AssertionError(kind)

    def _drip(self, at_once: bytes, byte_by_byte: bytes) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(at_once)
            for position in range(min(len(byte_by_byte), _LONGEST_SLOW_ANSWER * 5)):
                if self.server.simulator.stopping:
                    return
                self.wfile.write(byte_by_byte[position : position + 1])
                self.server.simulator.wait(0.2)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Simulated"


def _wire(user_id: str, record: TokenRecord, *, masked: bool) -> dict[str, Any]:
    token_id = record.token_id
    return {
        "created_at": iso(record.created_at),
        "description": "",
        "expired_at": None if record.expires_at is None else iso(record.expires_at),
        "name": record.name,
        "permissions": list(record.permissions),
        "token_id": f"{token_id[:7]}****{token_id[-4:]}" if masked else token_id,
        "user_id": user_id,
    }
