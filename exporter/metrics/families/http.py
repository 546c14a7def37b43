"""The families about the exporter's own HTTP server, and the closed list of reasons to reject a client."""

from __future__ import annotations

from enum import StrEnum

from exporter.metrics.families.base import Kind, OwnFamily


class Refusal(StrEnum):
    """Why a client was rejected or disconnected."""

    INVALID_REQUEST = "invalid_request"
    """Not HTTP, or headers larger than the limit."""
    SLOW_REQUEST = "slow_request"
    """The request did not arrive within the time limit."""
    SLOW_READER = "slow_reader"
    """The client did not read its response within the time limit, or other clients needed the memory."""
    TOO_MANY_CONNECTIONS = "too_many_connections"
    """All connections were in use, or this one was idle while another client needed it."""
    TOO_MANY_BODIES = "too_many_bodies"
    """Responses in progress used all the memory reserved for them."""
    WRONG_CREDENTIALS = "wrong_credentials"
    """A wrong user name or password."""
    TOO_MANY_FAILURES = "too_many_failures"
    """The client's address has sent too many wrong passwords."""
    PASSWORD_CHECKS_BUSY = "password_checks_busy"  # noqa: S105 - a reason
    """Too many passwords were waiting to be checked."""


HTTP_REFUSED = OwnFamily(
    "yunxiao_exporter_http_refused_total",
    Kind.COUNTER,
    ("reason",),
    "Requests and connections that the exporter's HTTP server rejected or closed, by reason.",
    "Always; each reason starts at 0.",
    ("rate(yunxiao_exporter_http_refused_total[5m]) > 0", "clients that are broken, hostile or on a slow network"),
    known=(tuple(Refusal),),
)
LOG_SUPPRESSED = OwnFamily(
    "yunxiao_exporter_log_lines_suppressed_total",
    Kind.COUNTER,
    (),
    "Log lines that were suppressed because the same message had just been logged.",
    "Always.",
    ("rate(yunxiao_exporter_log_lines_suppressed_total[5m]) > 0", "an event that occurs many times a minute"),
)
