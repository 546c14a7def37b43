"""Cleans texts of the platform: valid UTF-8, no secrets, limited length. Texts that are cut are counted.

The limits: Prometheus keeps the value of a label for each series, for weeks, so a text is as long as people need to
tell things apart and no longer. The forms of the platform allow less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_LENGTH = 256
"""Characters of a name of a token, user or department, of an e-mail address, and of a description."""
ID_LENGTH = 128
"""Characters of an id. A longer token id is cut; a longer user id is rejected, since requests need it."""
PERMISSION_LENGTH = 128
"""Characters of a permission."""
PERMISSIONS = 256
"""Permissions of one token."""
DISTINCT_PERMISSIONS = 1024
"""Distinct permissions over all tokens of a user: each is a series."""
DEPARTMENTS = 64
"""Departments of one person."""

MARK = "…"
"""Ends a text that was cut."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_EXAMINED = 65_536
"""Characters of a long text in which secrets are replaced before it is cut."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text of a field, and the name under which longer ones are counted."""

    field: str
    length: int


TOKEN_ID = Limit("token_id", ID_LENGTH)
TOKEN_NAME = Limit("name", NAME_LENGTH)
DESCRIPTION = Limit("description", NAME_LENGTH)
PERMISSION = Limit("permissions", PERMISSION_LENGTH)
USER_TEXT = Limit("user", NAME_LENGTH)


def unchanged(text: str) -> str:
    """The same text, for when no secret is known."""
    return text


def clean_text(text: str) -> str:
    """Text that can be encoded as UTF-8: a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def text_of(value: Any) -> str:
    """A field as text without white space around it; "" if it is neither a text nor an integer."""
    if isinstance(value, str):
        return clean_text(value).strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


class Fields:
    """Reads the texts of one answer.

    Args:
        redact: replaces known secrets in a text.
    """

    __slots__ = ("redact", "truncated")

    def __init__(self, redact: Callable[[str], str] = unchanged) -> None:
        self.redact = redact
        self.truncated: dict[str, int] = {}
        """How often each field was cut."""

    def count(self, field: str, count: int = 1) -> None:
        """Count fields that were cut."""
        self.truncated[field] = self.truncated.get(field, 0) + count

    def cut(self, text: str, limit: Limit) -> str:
        """The beginning of a text that is longer than allowed, with a mark at its end.

        Secrets are replaced first: half of one would no longer be recognized.
        """
        text = self.redact(text[:_EXAMINED])
        self.count(limit.field)
        return text[: limit.length - 1].rstrip() + MARK

    def shown(self, value: Any, limit: Limit) -> str:
        """A field as text that is safe to show: without secrets and not longer than allowed."""
        text = text_of(value)
        return self.redact(text) if len(text) <= limit.length else self.cut(text, limit)
