"""Which language a client reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from starlette.requests import Request

_RANGE = re.compile(r"\s*(?P<tag>[A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*(?P<q>[01](?:\.\d{0,3})?)\s*)?")
_MOST_RANGES = 20


def accepted_language(header: str) -> Language | None:
    """The language that an `Accept-Language` header prefers; None if it prefers none that there is.

    Among languages with the same weight, the first one counts.
    """
    best, weight = None, 0.0
    for part in header.split(",")[:_MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        if found is None or (tag := found["tag"].lower()) not in {one.value for one in Language}:
            continue
        if (q := float(found["q"] or 1)) > weight:
            best, weight = Language(tag), q
    return best


def chosen_language(request: Request) -> Language | None:
    """The language of the query ``?lang=``; None if it names none."""
    wanted = request.query_params.get("lang", "")
    return Language(wanted) if wanted in {one.value for one in Language} else None


def language_of(request: Request, default: Language) -> Language:
    """The language of a response: that of the query ``?lang=``, else of `Accept-Language`, else the default."""
    return chosen_language(request) or accepted_language(request.headers.get("accept-language", "")) or default
