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


COOKIE = "yunxiao_lang"
"""Remembers the language that a reader has chosen on a page."""


def chosen_language(request: Request) -> Language | None:
    """The language of the query ``?lang=``; None if it names none."""
    return _language(request.query_params.get("lang", ""))


def language_of(request: Request, default: Language) -> Language:
    """The language of a response: of the query ``?lang=``, else the one chosen before, else of `Accept-Language`."""
    return (
        chosen_language(request)
        or _language(request.cookies.get(COOKIE, ""))
        or accepted_language(request.headers.get("accept-language", ""))
        or default
    )


def _language(name: str) -> Language | None:
    return Language(name) if name in {one.value for one in Language} else None
