"""The families about the exporter's own HTTP server, and the closed list of reasons to refuse a client."""

from __future__ import annotations

from enum import StrEnum

from exporter.metrics.families.base import Kind, OwnFamily


class Refusal(StrEnum):
    """Why a client was refused or cut off."""

    INVALID_REQUEST = "invalid_request"
    """Not HTTP, or headers larger than the limit."""
    SLOW_REQUEST = "slow_request"
    """The request did not arrive within the time limit."""
    SLOW_READER = "slow_reader"
    """The client did not read its answer within the time limit, or others needed the memory."""
    TOO_MANY_CONNECTIONS = "too_many_connections"
    """All connections were in use, or this one was idle while another client needed it."""
    TOO_MANY_BODIES = "too_many_bodies"
    """Answers under way held all the memory that is set aside for them."""
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
    "Requests and connections that the exporter's HTTP server refused or cut off, by reason.",
    "Always; each reason starts at 0.",
    ("rate(yunxiao_exporter_http_refused_total[5m]) > 0", "clients that are broken, hostile or behind a slow line"),
    known=(tuple(Refusal),),
)
LOG_SUPPRESSED = OwnFamily(
    "yunxiao_exporter_log_lines_suppressed_total",
    Kind.COUNTER,
    (),
    "Log lines that were not written because the same message had just been logged.",
    "Always.",
    ("rate(yunxiao_exporter_log_lines_suppressed_total[5m]) > 0", "something that happens many times a minute"),
)
HTTP_FAMILIES = (HTTP_REFUSED, LOG_SUPPRESSED)
