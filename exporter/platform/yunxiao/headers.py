"""Reads headers of an answer without trusting them, and removes the token from its body."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from exporter.common.redaction import REDACTED

_SHORTEST_SECRET = 8
"""Shortest part of a token that is treated as its secret; a shorter one would match ordinary words."""


def retry_after_of(header: str | None, now: float, most: float) -> float | None:
    """The pause in seconds that `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); None without one.

    Args:
        header: the header's value.
        now: epoch seconds.
        most: limit for the pause, in seconds.
    """
    if header is None:
        return None
    try:
        # float, not int: it takes any number of digits, and the limit does the rest
        seconds = float(header) if header.isdecimal() else parsedate_to_datetime(header).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), most)


def host_of(location: str) -> str:
    """The host of a `Location`, safe to show; "" if it has none."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return ""
    return "".join(char for char in host if char.isascii() and char.isprintable())[:253]


def without_token(body: bytes, token: str) -> bytes:
    """A body without the secret of the token, in case the platform repeats it.

    The part of a token before ``_`` is its public id and stays.
    """
    private = token.partition("_")[2]
    secret = private if len(private) >= _SHORTEST_SECRET else token
    return body.replace(secret.encode(), REDACTED.encode())
