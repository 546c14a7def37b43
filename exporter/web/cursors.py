"""Places in lists as text: opaque to clients, and checked when they come back."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING

from exporter.web.parameters import ParameterError

if TYPE_CHECKING:
    from exporter.common.sorted_chunks import Key

LONGEST = 8000
"""Characters of a cursor: enough for the longest texts that are kept, with four bytes for each character."""
_TOKEN = (float, str, str, str, str, str, float)
"""The types of the key of a token: expiry, organization, user, id, user's id, kind, position."""
_TEXT_FIRST = frozenset({"token", "user", "organization", "department"})
_USER_TEXTS = frozenset({"status", "user", "organization", "department"})


def shape(listed: str, sort: str) -> tuple[type, ...]:
    """The types of the keys of a list in an order."""
    match listed:
        case "users":
            return (str if sort in _USER_TEXTS else float, str, str, str)
        case "events":
            return (float, str, str, str, str, str)
        case _:
            return _TOKEN if sort == "expires" else (str if sort in _TEXT_FIRST else float, *_TOKEN)


def cursor(listed: str, sort: str, key: Key) -> str:
    """The cursor of a place.

    Args:
        listed: the name of the list.
        sort: its order, with - if it is reversed.
        key: the key of the last row before it.
    """
    text = json.dumps([listed, sort, *key], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode().rstrip("=")


def place(text: str, listed: str, sort: str) -> Key:
    """The key in a cursor.

    Raises:
        ParameterError: it is damaged, or belongs to another list or order.
    """
    damaged = ParameterError("cursor is damaged; take it from the link to the next page")
    if len(text) > LONGEST:
        raise damaged
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        of_list, of_sort, *key = found
        values = [float(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in key]
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise damaged from None
    if of_list != listed or of_sort != sort:
        raise ParameterError("cursor belongs to another list or order; begin with the first page")
    types = shape(listed, sort.removeprefix("-"))
    if len(values) != len(types) or not all(
        isinstance(value, kind) and not (isinstance(value, float) and math.isnan(value))
        for value, kind in zip(values, types, strict=True)
    ):
        raise damaged
    return tuple(values)
