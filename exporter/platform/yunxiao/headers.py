"""What an answer's headers say, as far as anybody may rely on it, and what its body must not say."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from exporter.common.redaction import REDACTED

_SHORTEST_SECRET = 8
"""Characters below which a part of a token is not taken for its secret: it would match ordinary words."""


def retry_after_of(header: str | None, now: float, most: float) -> float | None:
    """The pause in seconds that `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); None for none.

    Args:
        header: the header's value.
        now: epoch seconds.
        most: seconds that the pause may take at most.
    """
    if header is None:
        return None
    try:
        # float, not int: any number of digits is taken, and the cap does the rest
        seconds = float(header) if header.isdecimal() else parsedate_to_datetime(header).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), most)


def host_of(location: str) -> str:
    """The host that a `Location` leads to, safe to show; "" where it names none."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return ""
    return "".join(char for char in host if char.isascii() and char.isprintable())[:253]


def without_token(body: bytes, token: str) -> bytes:
    """A body with the secret of the request's token taken out, wherever the platform repeats it.

    The part of a token before ``_`` is its public id and stays.
    """
    private = token.partition("_")[2]
    secret = private if len(private) >= _SHORTEST_SECRET else token
    return body.replace(secret.encode(), REDACTED.encode())
