"""Reads what the headers of an answer say about the pages of a list. Headers that make no sense count as absent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_NUMBER = 9
_LONGEST_LINKS = 8192
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
"""The target of a link, and its parameters, which end where the next link begins."""
_RELATIONS = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_OF_PAGES = frozenset({"first", "prev", "previous", "next", "last"})


@dataclass(frozen=True, slots=True)
class PageHeaders:
    """What the headers of one page say.

    `x-next-page` is wrong in the samples of the platform and is not read.

    Attributes:
        pages: the number of pages, from `x-total-pages`; None if it is not known.
        total: the number of entries of the whole list, from `x-total`; None if it is not known.
        size: the number of entries of a full page, from `x-per-page`; None if it is not known.
        link: whether `Link` names a next page; None if it has no links to pages.
    """

    pages: int | None = None
    total: int | None = None
    size: int | None = None
    link: bool | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], page: int) -> Self:
        """Read the headers of a page.

        Args:
            headers: the headers, whose names are read in lower case.
            page: the number of the page, counted from 1.
        """
        return cls(
            pages=_number(headers.get("x-total-pages")) or None,
            total=_number(headers.get("x-total")),
            size=_number(headers.get("x-per-page")) or None,
            link=_names_next(headers.get("link") or "", page),
        )

    def goes_on(self, page: int, entries: int, requested: int) -> bool | None:
        """Whether there is a page after this one; None if the headers do not say.

        Args:
            page: the number of this page, counted from 1.
            entries: the number of its entries.
            requested: the number of entries requested for a page.
        """
        if self.link or (self.pages is not None and page < self.pages):
            return True
        if self.pages is not None or self.link is not None:
            return False
        if entries >= min(requested, self.size or requested):
            return True
        return False if entries == 0 else None


def _number(header: str | None) -> int | None:
    """A header as a number; None if it is not one, or has more than nine digits."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def _names_next(links: str, page: int) -> bool | None:
    """Whether links (RFC 8288) name a next page. Their addresses are not requested: they may lead to another host."""
    found = list(_page_links(links[:_LONGEST_LINKS]))
    for target, relations in found:
        if "next" in relations:
            number = _page_of(target)
            # A page that was read already is not the next one: then the links say nothing.
            return True if number is None or number > page else None
    return False if found else None


def _page_links(links: str) -> Iterator[tuple[str, set[str]]]:
    for target, parameters in _LINK.findall(links):
        if (match := _RELATIONS.search(parameters)) is not None:
            relations = set((match[1] or match[2] or "").lower().split())
            if relations & _OF_PAGES:
                yield target, relations


def _page_of(target: str) -> int | None:
    """The number of the page that an address asks for; None if it has none, as addresses with a cursor."""
    try:
        values = parse_qs(urlsplit(target).query, max_num_fields=100).get("page", [])
    except ValueError:
        return None
    return _number(values[0]) if values else None
