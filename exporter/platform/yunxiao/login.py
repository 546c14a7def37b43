"""Recognizes a login page, or the way to one: some platforms show it instead of refusing a token with 401."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

LOGIN_WORDS = "it is a login page: the platform may have refused the token, or the endpoint is wrong"
"""What a login page instead of an answer means."""
_LOGIN = re.compile(r"(?:log|sign)[-_]?[io]n|(?<![a-z])sso(?![a-z])|passport|oauth|openid", re.IGNORECASE)
"""In the host or path of a login page."""
_LONGEST = 2048
_LOGIN_PAGE = re.compile(
    rb"(?:log|sign)[-_ ]?[io]n|type=.?password|passport|oauth|\xe7\x99\xbb(?:\xe5\xbd\x95|\xe9\x99\x86)", re.IGNORECASE
)
"""In the text of a login page. The Chinese words are those for logging in, in UTF-8."""
_READ = 64 * 1024


def leads_to_login(location: str) -> bool:
    """Whether the host or path of a `Location` is that of a login page. Its query does not count.

    Args:
        location: the value of the header.
    """
    try:
        parts = urlsplit(location[:_LONGEST])
        return _LOGIN.search(f"{parts.hostname or ''}/{unquote(parts.path)}") is not None
    except ValueError:
        return False


def is_login_page(page: bytes) -> bool:
    """Whether an HTML page asks to log in.

    Args:
        page: the page; only its beginning is searched.
    """
    return _LOGIN_PAGE.search(page[:_READ]) is not None
