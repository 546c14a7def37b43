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
    RATE_LIMITED = "rate_limited"
    """More requests than `rate_limit` of the web configuration allows."""
    TLS_HANDSHAKE = "tls_handshake"
    """The TLS handshake failed: no valid client certificate, no common version or cipher, or not TLS."""
    CLIENT_NOT_ALLOWED = "client_not_allowed"
    """The client's certificate has none of the names in `client_allowed_sans`."""


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
WEB_CONFIG_ERRORS = OwnFamily(
    "yunxiao_exporter_web_config_errors_total",
    Kind.COUNTER,
    (),
    "Times that the web configuration, or a certificate, key or authority that it names, became invalid at run time; "
    "the last valid ones stay in effect.",
    "Always; 0 without --web.config.file.",
    ("increase(yunxiao_exporter_web_config_errors_total[1h]) > 0", "a certificate that was not renewed correctly"),
)
