"""Reads lists in pages, from servers whose headers may be wrong: the complete list or an error, and always an end.

`x-total-pages`, or else a `Link`, says whether there is a next page. Without both, another page follows a full one. A
page that is shorter than requested need not be the last: a gateway may allow smaller pages only, and remove the
headers. So one more page is requested, and the list ends with the first page that has no new entries. For a short list
that is one more request in each refresh, an hour apart by default; without it, users would be missing unnoticed. A
total that is the size of the first page proves no more: a gateway may count the entries of the page only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.page_headers import PageHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Fetch = Callable[[int], tuple[Sequence["T | None"], Mapping[str, str]]]

T = TypeVar("T")
PER_PAGE = 100
"""Entries requested for a page: the most that the platform returns."""
MOST_PAGES = 2500
"""Limit for the pages of a list; one with more is taken for endless."""
MOST_ENTRIES = 200_000
"""Limit for the entries of a list."""
REFUSED_BEYOND = 10_000
"""Entries after which the platform refuses some lists: a page whose number times its size is larger gets HTTP 400."""


class PagingError(ApiError):
    """The pages of a list are inconsistent: what was read may not be the complete list."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.INVALID_RESPONSE, detail)


class TooLongError(ApiError):
    """The platform refuses the rest of a list because of its length."""

    def __init__(self, refusal: ApiError, entries: int) -> None:
        detail = f"{refusal.detail}; the list is too long for the platform, which refuses it after {entries} entries"
        super().__init__(refusal.reason, detail, status=refusal.status)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that was read to its end.

    Attributes:
        entries: its entries, each id once, in the order in which they came.
        pages: the number of its pages that had new entries.
        page_size: the number of entries of its largest page.
        settled: whether all pages gave the same total, and as many entries were read as that. It does not prove that
            the list stayed the same while it was read: a user may have left and another joined.
    """

    entries: tuple[T, ...]
    pages: int
    page_size: int
    settled: bool


class _Reading(Generic[T]):
    """What has been read of a list so far."""

    def __init__(self, id_of: Callable[[T], str]) -> None:
        self._id_of = id_of
        self._first: list[str] | None = None
        self._totals: set[int | None] = set()
        self._unreadable = 0
        self.found: dict[str, T] = {}
        self.pages = 0
        self.received = 0
        self.page_size = 0
        self.last_size = 0

    def add(self, entries: Sequence[T | None], total: int | None) -> tuple[bool, bool]:
        """Add a page; whether it has new entries, and whether it repeats the first page."""
        readable = [(self._id_of(entry), entry) for entry in entries if entry is not None]
        ids = [entry_id for entry_id, _ in readable]
        before = len(self.found)
        for entry_id, entry in readable:
            self.found.setdefault(entry_id, entry)
        if len(self.found) > MOST_ENTRIES:
            raise PagingError(f"the list has more than {MOST_ENTRIES} entries and seems to be endless")
        is_new = len(self.found) > before
        self.pages += is_new
        self.received += len(entries)
        self.last_size = len(entries)
        self.page_size = max(self.page_size, len(entries))
        self._totals.add(total)
        self._unreadable += len(entries) - len(readable)
        is_first = bool(ids) and ids == self._first
        if self._first is None:
            self._first = ids
        return is_new, is_first

    def listing(self) -> Listing[T]:
        """The list, if it ends here."""
        settled = not self._unreadable and self._totals == {len(self.found)}
        return Listing(tuple(self.found.values()), self.pages, self.page_size, settled)


def all_pages(
    fetch: Fetch[T],
    id_of: Callable[[T], str],
    most: int = MOST_PAGES,
    *,
    per_page: int = PER_PAGE,
    paged: bool = True,
) -> Listing[T]:
    """Read a list to its end.

    Args:
        fetch: returns a page, counted from 1: its entries, None for each unreadable one, and the headers of the answer,
            whose names are read in lower case.
        id_of: the id of an entry.
        most: limit for the pages.
        per_page: the number of entries that ``fetch`` requests for a page.
        paged: whether the list is known to have pages; otherwise a repeated page 1 is the complete list.

    Raises:
        ApiError: a page could not be fetched; `TooLongError` if the list is too long for the platform.
        PagingError: the server repeats a page, returns fewer pages than it announced, or never ends.
    """
    reading = _Reading(id_of)
    # Whether there should be the page that is requested; None if only a request can tell.
    announced: bool | None = True
    for page in range(1, most + 1):
        try:
            entries, raw = fetch(page)
        except ApiError as error:
            if not announced and _is_the_end(error, page * per_page, reading):
                return reading.listing()
            if error.reason is Reason.BAD_REQUEST and page > 1:
                raise TooLongError(error, reading.received) from None
            raise
        headers = PageHeaders.of(raw, page)
        is_new, is_first = reading.add(entries, headers.total)
        if is_first and (not paged or (announced is None and headers.total in {None, len(reading.found)})):
            return reading.listing()
        if is_first:
            raise PagingError(f"the server repeats page 1 as page {page}, so the list may be incomplete")
        announced = headers.goes_on(page, len(entries), per_page)
        if announced and not is_new:
            what = "is empty" if not entries else "has no new entries"
            promised = "more should follow" if headers.pages is None else f"the server announced {headers.pages} pages"
            raise PagingError(f"page {page} {what} although {promised}")
        # Fewer entries than `x-total`: pages may be shorter than requested. If none follows, the total is wrong.
        is_last = reading.received >= (headers.total or 0) if announced is False else reading.received == headers.total
        if announced is None and page == 1 and entries:
            # Alone, a total that equals the first page may be the number of entries on that page.
            is_last = False
        if not is_new or (is_last and not announced):
            return reading.listing()
    raise PagingError(f"the list has more than {most} pages and seems to be endless")


def _is_the_end(error: ApiError, entries: int, reading: _Reading[T]) -> bool:
    """Whether an error for a page that need not exist means that it does not.

    Where the platform refuses long lists, a refused page may exist; it does not after a page shorter than the others.
    """
    if error.reason is Reason.BAD_REQUEST:
        return entries <= REFUSED_BEYOND or reading.last_size < reading.page_size
    return error.reason is Reason.NOT_FOUND
