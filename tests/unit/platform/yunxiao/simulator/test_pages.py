from __future__ import annotations

from exporter.platform.yunxiao.simulator.pages import Page, Request, page_of
from exporter.platform.yunxiao.simulator.quirks import Quirks

NUMBERS = range(120)


def asked(page: int, **query: str) -> Request:
    return Request("/platform/users", {"page": str(page), "perPage": "100"} | query)


def test_a_page_has_headers_about_its_list() -> None:
    page = page_of(NUMBERS, asked(2), Quirks())
    assert (page.status, list(page.entries)) == (200, list(range(100, 120)))
    assert page.headers == {
        "x-page": "2",
        "x-per-page": "100",
        "x-prev-page": "1",
        "x-next-page": "",
        "x-total": "120",
        "x-total-pages": "2",
    }


def test_pages_can_be_shorter_than_requested_without_headers() -> None:
    pages = [page_of(NUMBERS, asked(number), Quirks(capped_page=50)) for number in (1, 2, 3, 4)]
    assert [len(page.entries) for page in pages] == [50, 50, 20, 0]
    assert [page.headers for page in pages] == [{}] * 4


def test_the_next_page_can_stand_in_a_link_only() -> None:
    quirks = Quirks(link_headers=True)
    page = page_of(NUMBERS, asked(1, status="enabled"), quirks)
    link = '</oapi/v1/platform/users?page=2&perPage=100&status=enabled>; rel="next"'
    assert page.headers == {"Link": link}
    assert page_of(NUMBERS, asked(2), quirks).headers == {}


def test_capped_pages_can_have_links() -> None:
    page = page_of(NUMBERS, asked(1), Quirks(link_headers=True, capped_page=50))
    assert (len(page.entries), "page=2" in (page.headers or {})["Link"]) == (50, True)


def test_pages_beyond_so_many_entries_are_refused() -> None:
    quirks = Quirks(most_entries=10_000)
    assert page_of(NUMBERS, asked(100), quirks).status == 200
    assert page_of(NUMBERS, asked(101), quirks) == Page(400)


def test_the_size_of_a_page_has_a_default() -> None:
    assert Request("/x", {}, per_page=20).size == 20
    assert Request("/x", {"perPage": "500", "page": "0"}).size == 100
    assert Request("/x", {"page": "x"}).page == 1
