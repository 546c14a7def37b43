"""One place that counts and logs refused clients, with a limit on the log lines that clients can cause."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.common.log_limit import LogLimit

_log = structlog.get_logger(__name__)

_LOGGED_BY_US = {"Invalid HTTP request received."}
"""Lines of uvicorn about refusals that are logged here with the client's address."""
_WORDS = {
    Refusal.INVALID_REQUEST: "a client sent an invalid request",
    Refusal.SLOW_REQUEST: "a client did not send its request in time",
    Refusal.SLOW_READER: "a client did not read its answer in time",
    Refusal.TOO_MANY_CONNECTIONS: "too many connections, idle ones are closed and others refused",
    Refusal.TOO_MANY_BODIES: "too many answers are under way to slow clients, others are refused",
    Refusal.WRONG_CREDENTIALS: "a client sent a wrong user name or password",
    Refusal.TOO_MANY_FAILURES: "an address sends too many wrong passwords",
    Refusal.PASSWORD_CHECKS_BUSY: "too many passwords wait to be checked",
}


class Refusals:
    """Counts each refused client; logs each reason at most once a minute.

    Args:
        count: counts one.
        limit: decides whether a line is written.
        internal_error: counts a defect of the exporter that a request met.
    """

    def __init__(
        self, count: Callable[[Refusal], None], limit: LogLimit, internal_error: Callable[[str], None]
    ) -> None:
        self._count = count
        self._limit = limit
        self.internal_error = internal_error
        self.logger: logging.LoggerAdapter[logging.Logger] = _LimitedLogger(limit)

    def refused(self, reason: Refusal, client: str = "") -> None:
        """Count a client that was refused.

        Args:
            reason: why.
            client: its address; "" where it is not known.
        """
        self._count(reason)
        if (suppressed := self._limit.allow(f"refused: {reason.value}")) is not None:
            _log.warning(
                _WORDS[reason], reason=reason.value, client=client or None, suppressed_lines=suppressed or None
            )

    def crashed(self) -> None:
        """Count a request that met a defect of the exporter; uvicorn logs the traceback."""
        self.internal_error("web")

    def loop_error(self, context: Mapping[str, Any]) -> None:
        """Log what the event loop reports, such as an error in a callback."""
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
    """Stands where uvicorn has its logger: it writes each message at most once a minute."""

    def __init__(self, limit: LogLimit) -> None:
        super().__init__(logging.getLogger("uvicorn.error"))
        self._limit = limit

    @property
    def level(self) -> int:
        """The level below which nothing is logged."""
        return self.logger.getEffectiveLevel()

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write the line, unless the same message has just been logged."""
        if not self.isEnabledFor(level) or msg in _LOGGED_BY_US:
            return
        if (suppressed := self._limit.allow(f"uvicorn: {msg}")) is not None:
            if suppressed:
                msg = f"{str(msg).rstrip()} ({suppressed} such lines suppressed before)"
            self.logger.log(level, msg, *args, **kwargs)
