"""Texts from outside, at the door: clean, without secrets, and bounded in length. What is cut is counted.

Why these bounds: a label's value is kept once for each series, in Prometheus for weeks, so a text is as long as people
need to tell things apart and no longer. The platform's own forms allow less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_LENGTH = 256
"""Characters of the name of a token, user or department, and of a user's e-mail address."""
ID_LENGTH = 128
"""Characters of an id. That of a token is cut; one that requests are made with cannot be, and is not accepted."""
PERMISSION_LENGTH = 128
"""Characters of a permission."""
PERMISSIONS = 256
"""Permissions of one token."""
DISTINCT_PERMISSIONS = 1024
"""Permissions of one user, over all tokens: each is a series of its own."""
DEPARTMENTS = 64
"""Departments of one person."""

MARK = "…"
"""Ends a text that was cut."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_EXAMINED = 65_536
"""Characters of an overlong text in which secrets are replaced before it is cut."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a text may be, and how the field is counted when one is longer."""

    field: str
    length: int


TOKEN_ID = Limit("token_id", ID_LENGTH)
TOKEN_NAME = Limit("name", NAME_LENGTH)
PERMISSION = Limit("permissions", PERMISSION_LENGTH)
USER_TEXT = Limit("user", NAME_LENGTH)


def unchanged(text: str) -> str:
    """The text as it is, where no secret is known."""
    return text


def clean_text(text: str) -> str:
    """Text that can be written as UTF-8: a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def text_of(value: Any) -> str:
    """A field as text without white space around it; "" where it holds neither text nor a whole number."""
    if isinstance(value, str):
        return clean_text(value).strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


class Fields:
    """Reads the texts of one answer.

    Args:
        redact: replaces the secrets in use.
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

        Secrets are replaced first: half of one would not be recognized any more.
        """
        text = self.redact(text[:_EXAMINED])
        self.count(limit.field)
        return text[: limit.length - 1].rstrip() + MARK

    def shown(self, value: Any, limit: Limit) -> str:
        """A field as text that is fit to be shown: without secrets and not longer than allowed."""
        text = text_of(value)
        return self.redact(text) if len(text) <= limit.length else self.cut(text, limit)
