"""The simulated platform's lists in pages, with the headers that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.platform.yunxiao.simulator.quirks import Quirks

T = TypeVar("T")

MOST_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a page.

    Attributes:
        path: below ``/oapi/v1``.
        query: the parameters.
        per_page: entries of a page if the request does not say.
    """

    path: str
    query: Mapping[str, str]
    per_page: int = MOST_PER_PAGE

    @property
    def page(self) -> int:
        """The page, from 1 on."""
        return _positive(self.query.get("page"), 1)

    @property
    def size(self) -> int:
        """The entries of a page that the request asks for."""
        return min(MOST_PER_PAGE, _positive(self.query.get("perPage"), self.per_page))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list.

    Attributes:
        status: 200, or the status of the error that is answered instead.
        entries: what is on the page.
        headers: about the pages.
    """

    status: int
    entries: Sequence[T] = ()
    headers: Mapping[str, str] | None = None


def page_of(entries: Sequence[T], request: Request, quirks: Quirks) -> Page[T]:
    """The page of a list that a request asks for."""
    asked = request.page
    page = 1 if quirks.ignored_page else asked
    if page == quirks.failing_page:
        return Page(500)
    if quirks.most_entries is not None and page * request.size > quirks.most_entries:
        return Page(400)
    size = min(request.size, quirks.capped_page or MOST_PER_PAGE)
    pages = -(-len(entries) // size)
    shown = () if page == quirks.empty_page else entries[(page - 1) * size : page * size]
    if quirks.link_headers:
        return Page(200, shown, _link(request, asked + 1) if asked < pages else {})
    if quirks.no_page_headers or quirks.capped_page is not None:
        return Page(200, shown, {})
    return Page(
        200,
        shown,
        {
            "x-page": str(asked),
            "x-per-page": str(size),
            "x-prev-page": str(asked - 1) if asked > 1 else "",
            "x-next-page": "1" if quirks.wrong_next_page else (str(asked + 1) if asked < pages else ""),
            "x-total": str(len(entries)),
            "x-total-pages": str(pages),
        },
    )


def _link(request: Request, following: int) -> dict[str, str]:
    query = urlencode({**request.query, "page": str(following)})
    return {"Link": f'</oapi/v1{request.path}?{query}>; rel="next"'}


def _positive(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else otherwise
