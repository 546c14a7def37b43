from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platform.yunxiao.page_headers import PageHeaders

NEXT = '<https://gateway.example/oapi/v1/platform/users?page=3&perPage=100>; rel="next"'
LAST = '<https://gateway.example/oapi/v1/platform/users?page=9&perPage=100>; rel="last"'
PREVIOUS = '<?page=1>; rel="prev"'


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (NEXT, True),
        (f"{PREVIOUS}, {NEXT}, {LAST}", True),
        ("<https://other.example/users?cursor=abc>; rel=next", True),
        ('</users?page=3>; title="a, b; c"; REL="Next last"', True),
        (f"{PREVIOUS}, {LAST}", False),
        # No links to pages.
        ("", None),
        ('</style.css>; rel="preload"', None),
        ("nonsense; rel=next", None),
        # The page that has just been read, or one before it, is not the next one.
        ('<?page=2>; rel="next"', None),
        ('<?page=1>; rel="next"', None),
        # An address that cannot be read still says that there is a next page.
        ('<http://[>; rel="next"', True),
        ('<?page=three>; rel="next"', True),
    ],
)
def test_a_link_says_whether_page_2_has_a_next_page(link: str, expected: object) -> None:
    assert PageHeaders.of({"link": link}, 2).link is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2), (" 2 ", 2), ("", None), ("two", None), ("-2", None), ("\u0662", None), ("9999999999", None)],
)
def test_a_number_is_ascii_digits_with_white_space_around_them(text: str, expected: int | None) -> None:
    assert PageHeaders.of({"x-total-pages": text}, 1).pages == expected


def test_no_entries_are_a_total_and_no_pages_are_not_a_number_of_pages() -> None:
    headers = PageHeaders.of({"x-total": "0", "x-total-pages": "0", "x-per-page": "0"}, 1)
    assert headers == PageHeaders(pages=None, total=0, size=None, link=None)


@pytest.mark.parametrize(
    ("headers", "entries", "expected"),
    [
        (PageHeaders(pages=3), 50, True),
        (PageHeaders(pages=2), 100, False),
        (PageHeaders(link=True), 1, True),
        (PageHeaders(link=False), 100, False),
        # If they contradict each other, one more request finds out.
        (PageHeaders(pages=2, link=True), 100, True),
        (PageHeaders(pages=3, link=False), 100, True),
        # Nothing but the size of the page.
        (PageHeaders(), 100, True),
        (PageHeaders(size=20), 20, True),
        (PageHeaders(), 99, None),
        (PageHeaders(size=100), 99, None),
        (PageHeaders(), 0, False),
    ],
)
def test_whether_another_page_follows_page_2(headers: PageHeaders, entries: int, expected: object) -> None:
    assert headers.goes_on(2, entries, 100) is expected


@given(st.text(alphabet='<>;,"=? relnxtpag123', max_size=200), st.integers(1, 5))
def test_any_link_is_read(link: str, page: int) -> None:
    assert PageHeaders.of({"link": link}, page).link in {True, False, None}
