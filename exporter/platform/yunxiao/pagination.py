"""Lists that come in pages, from servers whose headers may be wrong: all of it or an error, and always an end.

How many pages there are is taken from `x-total-pages`; without that, a full page has one after it. `x-next-page` is
wrong in the platform's own samples and not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.model.state import Reason
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
PER_PAGE = 100
"""Entries to ask for in a page: the most that the platform gives."""
MOST_PAGES = 2000
"""Pages after which a list counts as endless."""
MOST_ENTRIES = MOST_PAGES * PER_PAGE
"""Entries after which it does, however many there are in a page: 200,000."""


class PagingError(ApiError):
    """The pages of a list do not make one: what has been read of it is not to be taken for the whole."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.INVALID_RESPONSE, detail)


def all_pages(
    fetch: Callable[[int], tuple[Sequence[T | None], Mapping[str, str]]],
    id_of: Callable[[T], str],
    most: int = MOST_PAGES,
    *,
    paged: bool = True,
) -> tuple[T, ...]:
    """All entries of a list, each id once, in the order in which they came.

    Args:
        fetch: the page of a number, counted from 1: its entries, None for each that cannot be read, and the answer's
            headers, whose names are looked up in lower case.
        id_of: what tells entries apart.
        most: pages to ask for at most.
        paged: whether the list is known to come in pages; else one that comes again is the whole of it.

    Raises:
        PagingError: the server repeats itself, stops short of the pages it promises, or never ends.
    """
    found: dict[str, T] = {}
    first: list[str] = []
    received = 0
    for page in range(1, most + 1):
        entries, headers = fetch(page)
        ids = [id_of(entry) for entry in entries if entry is not None]
        before = len(found)
        for entry, entry_id in zip((entry for entry in entries if entry is not None), ids, strict=True):
            found.setdefault(entry_id, entry)
        if len(found) > MOST_ENTRIES:
            raise PagingError(f"the list has more than {MOST_ENTRIES} entries, which is taken for endless")
        if page == 1:
            first = ids
        elif ids and ids == first and not paged:
            return tuple(found.values())
        elif ids and ids == first:
            raise PagingError(f"the server repeats page 1 as page {page}, so nobody can tell what the list holds")
        total = _number(headers.get("x-total-pages")) or None
        received += len(entries)
        if not _goes_on(page, len(entries), total, headers):
            # Fewer than there are: pages may be shorter than asked for. If nothing follows, that number was wrong.
            if not entries or len(found) == before or received >= (_number(headers.get("x-total")) or 0):
                return tuple(found.values())
            continue
        if len(found) == before:
            what = "is empty" if not entries else "brings nothing new"
            promised = "more should follow" if total is None else f"{total} pages are promised"
            raise PagingError(f"page {page} {what} although {promised}")
    raise PagingError(f"the list has more than {most} pages, which is taken for endless")


def _goes_on(page: int, entries: int, total: int | None, headers: Mapping[str, str]) -> bool:
    if total is not None:
        return page < total
    return entries >= min(PER_PAGE, _number(headers.get("x-per-page")) or PER_PAGE)


def _number(header: str | None) -> int | None:
    """A header as a number; None where it is none. Beyond nine digits nothing is a number of pages."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - see above
