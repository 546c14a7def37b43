"""Answers the requests to the simulated platform: well, oddly, or with a fault."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import struct
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from exporter.platform.yunxiao.simulator import directory
from exporter.platform.yunxiao.simulator.envelopes import ENVELOPES, MESSAGE, refusal
from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind
from exporter.platform.yunxiao.simulator.wire import token_entries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.platform.yunxiao.simulator.quirks import Quirks
    from exporter.platform.yunxiao.simulator.server import Server

_API = "/oapi/v1"
_TOKENS_PATH = f"{_API}/platform/users/admin/personalAccessTokens"
_LOGIN_PATH = "/users/sign_in"
_LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_HTML = "text/html;charset=UTF-8"
_ERROR_CODES = {400: "BadRequest", 401: "InvalidTokenError", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}
_LONGEST_SLOW_ANSWER = 600


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Requests are counted, not printed."""

    def do_GET(self) -> None:
        """Answer one request."""
        simulator = self.server.simulator
        parts = urlsplit(self.path)
        subject = parts.path.removeprefix(_API)
        query = {name: values[0] for name, values in parse_qs(parts.query, encoding="utf-8").items()}
        lists_tokens = parts.path == _TOKENS_PATH
        if lists_tokens:
            subject = query.get("userId", "")
        with simulator.tallied(subject) as too_many:
            simulator.wait(simulator.faults.latency)
            if simulator.stopping:
                self.close_connection = True
                return
            simulator.advance()
            if self._quirks.early_hints:
                self.wfile.write(_EARLY_HINTS)
            if not self._is_served(parts.path):
                self._unknown(parts.path)
            elif too_many:
                self._refuse(429)
            elif not simulator.accepts(self.headers.get("x-yunxiao-token", "")):
                self._refuse_token()
            elif (fault := simulator.fault_of(subject)) is not None:
                self._fail(fault, subject)
            elif lists_tokens:
                self._list_tokens(subject)
            else:
                self._answer(directory.answer(simulator.enterprise, self._quirks, subject, query))

    @property
    def _quirks(self) -> Quirks:
        return self.server.simulator.faults.quirks

    def _is_served(self, path: str) -> bool:
        hosts = self.server.simulator.hosts
        return path.startswith(f"{_API}/") and (hosts is None or self.headers.get("Host") in hosts)

    def _unknown(self, path: str) -> None:
        if path == _LOGIN_PATH or self._quirks.html_for_unknown:
            self._send(200, _LOGIN_PAGE, {"Content-Type": _HTML})
        else:
            self._refuse(404)

    def _refuse_token(self) -> None:
        if self._quirks.login_redirect:
            self._send(302, b"", {"Location": _LOGIN_PATH})
        else:
            self._refuse(401)

    def _list_tokens(self, user_id: str) -> None:
        known = user_id == directory.CALLER_ID or self.server.simulator.enterprise.knows(user_id)
        if known or self._quirks.unknown_user == "empty":
            self._send(200, self._tokens(user_id))
        else:
            self._refuse(int(self._quirks.unknown_user))

    def _answer(self, answer: directory.Answer) -> None:
        if answer.status == HTTPStatus.OK:
            self._send(200, self._encoded(answer.body), answer.headers)
        elif answer.status == HTTPStatus.NOT_FOUND:
            self._unknown("")
        else:
            self._refuse(answer.status, answer.code)

    def _tokens(self, user_id: str) -> bytes:
        simulator, quirks = self.server.simulator, self._quirks
        owner = user_id
        if quirks.ignored_user_id:
            owner = directory.CALLER_ID
        elif quirks.wrong_owner:
            owner = simulator.enterprise.users()[0].user_id
        records = simulator.enterprise.tokens(owner)
        if owner == directory.CALLER_ID:
            records = (*records, simulator.own_token())
        return self._encoded(directory.wrapped(token_entries(owner, records, quirks), quirks))

    def _encoded(self, body: Any) -> bytes:
        """JSON, in GBK if the quirks say so: in its superset, so that any name can be written."""
        gbk = self._quirks.gbk or self._quirks.gbk_unlabelled
        return json.dumps(body, ensure_ascii=False).encode("gb18030" if gbk else "utf-8")

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.wfile.write(self._head(status, len(body), headers) + body)

    def _head(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> bytes:
        quirks = self._quirks
        charset = "" if quirks.gbk_unlabelled else f";charset={'GBK' if quirks.gbk else 'UTF-8'}"
        fields = {"Content-Type": f"application/json{charset}", "Content-Length": str(length)} | dict(headers or {})
        fields |= {f"X-Trace-{number}": "simulated" for number in range(quirks.many_headers or 0)}
        lines = [
            f"HTTP/1.1 {status} {_phrase(status)}",
            *(f"{key}: {value}" for key, value in fields.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _refuse(self, status: int, code: str | None = None, message: str | None = None) -> None:
        code = code or _ERROR_CODES.get(status, "InternalServerError")
        body = refusal(code, message or MESSAGE, secrets.token_hex(8))
        retry_after = self.server.simulator.faults.retry_after
        headers = {"Retry-After": retry_after} if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after else None
        self._send(status, self._encoded(body), headers)

    def _fail(self, fault: Fault, user_id: str) -> None:
        first, _, second = fault.argument.partition(":")
        match fault.kind:
            case FaultKind.STATUS:
                code, _, message = second.partition(":")
                self._refuse(int(first), code, message)
            case FaultKind.HTML:
                self._send(200, _LOGIN_PAGE, {"Content-Type": _HTML})
            case FaultKind.EMPTY:
                self._send(200, b"")
            case FaultKind.BODY:
                self._send(200, fault.argument.encode("utf-8", "surrogatepass"))
            case FaultKind.ENVELOPE:
                self._send(int(second or 200), self._encoded(dict(ENVELOPES[first])))
            case FaultKind.ECHO:
                token = self.headers.get("x-yunxiao-token", "")
                self._send(403, json.dumps(refusal(token, token, token)).encode())
            case FaultKind.REDIRECT:
                self._send(302, b"", {"Location": fault.argument or _LOGIN_PATH})
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
