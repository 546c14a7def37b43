"""Counts and logs refused clients, with a limit on the log lines that clients can cause."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.common.log_limit import LogLimit

_log = structlog.get_logger(__name__)

_LOGGED_HERE = {"Invalid HTTP request received."}
"""Messages of uvicorn that are logged here instead, with the client's address."""
_TEXTS = {
    Refusal.INVALID_REQUEST: "a client sent an invalid request",
    Refusal.SLOW_REQUEST: "a client did not send its request in time",
    Refusal.SLOW_READER: "a client did not read its response in time",
    Refusal.TOO_MANY_CONNECTIONS: "too many connections, idle ones are closed and new ones refused",
    Refusal.TOO_MANY_BODIES: "too many responses to slow clients in progress, new ones are refused",
    Refusal.WRONG_CREDENTIALS: "a client sent a wrong user name or password",
    Refusal.TOO_MANY_FAILURES: "an address sends too many wrong passwords",
    Refusal.PASSWORD_CHECKS_BUSY: "too many password checks in progress",
    Refusal.RATE_LIMITED: "more requests than the rate limit of the web configuration allows",
    Refusal.TLS_HANDSHAKE: "the TLS handshake with a client failed",
    Refusal.CLIENT_NOT_ALLOWED: "a client certificate has none of the names in client_allowed_sans",
}


class Refusals:
    """Counts each refused client; logs each reason at most once a minute.

    Args:
        count: counts a refusal.
        limit: decides whether a line is logged.
        internal_error: counts unexpected exceptions by place.
    """

    def __init__(
        self, count: Callable[[Refusal], None], limit: LogLimit, internal_error: Callable[[str], None]
    ) -> None:
        self._count = count
        self._limit = limit
        self.internal_error = internal_error
        self.logger: logging.LoggerAdapter[logging.Logger] = _LimitedLogger(limit)

    def refused(self, reason: Refusal, client: str = "", detail: str = "") -> None:
        """Count a refused client.

        Args:
            reason: why.
            client: its address; "" if unknown.
            detail: more about the reason; nothing that the client has sent.
        """
        self._count(reason)
        if (suppressed := self._limit.allow(f"refused: {reason.value}")) is not None:
            _log.warning(
                _TEXTS[reason],
                reason=reason.value,
                client=client or None,
                detail=detail or None,
                suppressed_lines=suppressed or None,
            )

    def crashed(self) -> None:
        """Count a request that raised an unexpected exception; uvicorn logs the traceback."""
        self.internal_error("web")

    def loop_error(self, context: Mapping[str, Any]) -> None:
        """Log an error that the event loop reports, such as an exception in a callback."""
        message = str(context.get("message", "error in the event loop"))
        if (suppressed := self._limit.allow(f"loop: {message}")) is not None:
            error = context.get("exception")
            _log.error(
                "error in the HTTP server's event loop",
                detail=message,
                exc_info=error if isinstance(error, BaseException) else None,
                suppressed_lines=suppressed or None,
            )


class _LimitedLogger(logging.LoggerAdapter[logging.Logger]):
    """Replaces uvicorn's logger: logs each message at most once a minute."""

    def __init__(self, limit: LogLimit) -> None:
        super().__init__(logging.getLogger("uvicorn.error"))
        self._limit = limit

    @property
    def level(self) -> int:
        """The level below which nothing is logged."""
        return self.logger.getEffectiveLevel()

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log the message, unless it has been logged within the last minute."""
        if not self.isEnabledFor(level) or msg in _LOGGED_HERE:
            return
        if (suppressed := self._limit.allow(f"uvicorn: {msg}")) is not None:
            if suppressed:
                msg = f"{str(msg).rstrip()} ({suppressed} such lines suppressed before)"
            self.logger.log(level, msg, *args, **kwargs)
