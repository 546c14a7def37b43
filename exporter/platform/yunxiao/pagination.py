"""Reads lists in pages, from servers whose headers may be wrong: the complete list or an error, and always an end.

`x-total-pages` gives the number of pages; without it, another page follows each full one. `x-next-page` is wrong in the
samples of the platform and ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.model.state import Reason
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
PER_PAGE = 100
"""Entries requested for a page: the most that the platform returns."""
MOST_PAGES = 2000
"""Limit for the pages of a list; one with more is taken for endless."""
MOST_ENTRIES = MOST_PAGES * PER_PAGE
"""Limit for the entries of a list: 200,000."""


class PagingError(ApiError):
    """The pages of a list are inconsistent: what was read may not be the complete list."""

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
        fetch: returns a page, counted from 1: its entries, None for each unreadable one, and the headers of the answer,
            whose names are read in lower case.
        id_of: the id of an entry.
        most: limit for the pages.
        paged: whether the list is known to have pages; otherwise a repeated page 1 is the complete list.

    Raises:
        PagingError: the server repeats a page, returns fewer pages than it announced, or never ends.
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
            raise PagingError(f"the list has more than {MOST_ENTRIES} entries and seems to be endless")
        if page == 1:
            first = ids
        elif ids and ids == first and not paged:
            return tuple(found.values())
        elif ids and ids == first:
            raise PagingError(f"the server repeats page 1 as page {page}, so the list may be incomplete")
        total = _number(headers.get("x-total-pages")) or None
        received += len(entries)
        if not _goes_on(page, len(entries), total, headers):
            # Fewer entries than `x-total`: pages may be shorter than requested. If none follows, the total is wrong.
            if not entries or len(found) == before or received >= (_number(headers.get("x-total")) or 0):
                return tuple(found.values())
            continue
        if len(found) == before:
            what = "is empty" if not entries else "has no new entries"
            promised = "more should follow" if total is None else f"the server announced {total} pages"
            raise PagingError(f"page {page} {what} although {promised}")
    raise PagingError(f"the list has more than {most} pages and seems to be endless")


def _goes_on(page: int, entries: int, total: int | None, headers: Mapping[str, str]) -> bool:
    if total is not None:
        return page < total
    return entries >= min(PER_PAGE, _number(headers.get("x-per-page")) or PER_PAGE)


def _number(header: str | None) -> int | None:
    """A header as a number; None if it is not one, or has more than nine digits."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - see above
