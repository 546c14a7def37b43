"""Reads complete lists of the directory from the API, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from exporter.platform.base import ApiError
from exporter.platform.yunxiao.fields import Fields, unchanged
from exporter.platform.yunxiao.pagination import PER_PAGE, Listing, PagingError, TooLongError, all_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.common.cancellation import Stop
    from exporter.platform.base import Operation

T = TypeVar("T")
_STEP = 3
"""How much smaller pages are in every other round."""


class PageClient(Protocol):
    """The part of the API client that lists in pages need."""

    def page(
        self, operation: Operation, path: str, query: Mapping[str, str], stop: Stop
    ) -> tuple[bytes, Mapping[str, str]]:
        """One page's body and headers; raises `ApiError` or `StoppedError`."""
        ...

    def read(self, parse: Callable[[], T]) -> T:
        """Parse an answer; raises `ApiError`."""
        ...

    def count_unreadable(self, field: str, count: int) -> None:
        """Count fields that could not be read."""
        ...

    def count_truncated(self, field: str, count: int) -> None:
        """Count fields that were too long and were cut."""
        ...


class ListReader:
    """Reads lists, in rounds. One thread at a time.

    A user who moves over the end of a page while a list is read is on none of its pages. So that this does not happen
    to the same user twice in a row, long lists are cut at other places in every other round.

    Args:
        client: the API.
        redact: replaces known secrets in a text.
    """

    def __init__(self, client: PageClient, redact: Callable[[str], str] = unchanged) -> None:
        self._client = client
        self._redact = redact
        # By path: the entries to request for a page, where that is not the usual number.
        self._per_page: dict[str, int] = {}
        # By path: the size of pages in this round, of lists with several pages.
        self._page_sizes: dict[str, int] = {}

    def read(
        self,
        operation: Operation,
        path: str,
        query: Mapping[str, str],
        parse: Callable[[bytes, Fields], Sequence[T | None]],
        id_of: Callable[[T], str],
        stop: Stop,
        *,
        paged: bool = True,
    ) -> Listing[T]:
        """Read one list to its end.

        Args:
            operation: the call.
            path: its path.
            query: its parameters, without those for pages.
            parse: reads a page; None stands for an entry that is unreadable.
            id_of: the id of an entry.
            stop: cancels the call.
            paged: whether the list is known to have pages.

        Raises:
            ApiError: the list could not be read to its end; `PagingError` if its pages are inconsistent,
                `TooLongError` if the platform refuses the rest of it. If the platform does not offer the call, the
                text names it: the calls of discovery need different permissions.
            StoppedError: the call was cancelled.
        """

        def read(per_page: int) -> Listing[T]:
            def fetch(page: int) -> tuple[Sequence[T | None], Mapping[str, str]]:
                asked = {**query, "page": str(page), "perPage": str(per_page)}
                body, headers = self._client.page(operation, path, asked, stop)
                return self._entries(body, parse, page), headers

            return all_pages(fetch, id_of, per_page=per_page, paged=paged)

        per_page = self._per_page.get(path, PER_PAGE)
        try:
            listing = read(per_page)
        except TooLongError:
            if per_page == PER_PAGE:
                raise
            # The last entries below the limit of the platform are on a page that begins below it and ends above.
            listing = read(PER_PAGE)
        except ApiError as error:
            if not error.not_offered:
                raise
            call = self._redact(f"{operation} (GET /oapi/v1/{path})")
            raise error.copy(detail=f"{error.detail}; failed call: {call}") from None
        if listing.pages > 1:
            self._page_sizes[path] = min(self._page_sizes.get(path, PER_PAGE), listing.page_size)
        return listing

    def next_round(self) -> None:
        """Begin the next round, after one in which all lists were read."""
        varied = self._per_page
        self._per_page = {path: max(1, size - _STEP) for path, size in self._page_sizes.items() if path not in varied}
        self._page_sizes = {}

    def _entries(
        self, body: bytes, parse: Callable[[bytes, Fields], Sequence[T | None]], page: int
    ) -> Sequence[T | None]:
        fields = Fields(self._redact)
        entries = self._client.read(lambda: parse(body, fields))
        for name, count in fields.truncated.items():
            self._client.count_truncated(name, count)
        unreadable = sum(entry is None for entry in entries)
        if unreadable:
            self._client.count_unreadable("user", unreadable)
        if entries and unreadable == len(entries):
            # A page without a single readable entry must not count as an empty one.
            raise PagingError(f"none of the {len(entries)} entries of page {page} has an id")
        return entries
