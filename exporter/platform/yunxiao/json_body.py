"""Decodes JSON bodies, and describes those that are not JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.platform.yunxiao.login import LOGIN_WORDS, is_login_page

if TYPE_CHECKING:
    from collections.abc import Callable

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FAILED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder of msgspec raises."""
_DESCRIBED = 64 * 1024


class WireError(Exception):
    """A body is not what the API sends. `described` is safe to show: it has at most an error code and a message."""

    def described(self, redact: Callable[[str], str]) -> str:
        """The message without the secrets in use."""
        return redact(str(self))


def read_json(body: bytes) -> Any:
    """Decode a body.

    Raises:
        WireError: it is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except FAILED:
        pass
    # The decoder of the standard library accepts lone surrogates and a byte order mark, the fast one does not.
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        raise WireError(kind_of(body)) from None


def kind_of(body: bytes) -> str:
    """What a body is that is not JSON."""
    start = body[:_DESCRIBED].removeprefix(BYTE_ORDER_MARK).strip()
    if not start:
        return "an empty body"
    if start[:1] == b"<":
        what = "an HTML or XML page instead of JSON"
        return f"{what}; {LOGIN_WORDS}" if is_login_page(start) else what
    return "not JSON"
