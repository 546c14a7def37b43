from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.pagination import MOST_PAGES, PagingError, TooLongError, all_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Fetch = Callable[[int], tuple[Sequence[str | None], Mapping[str, str]]]


def people(number: int) -> list[str]:
    return [f"u{one}" for one in range(number)]


def a_server(everybody: Sequence[str], size: int = 100, headers: Mapping[str, str] | None = None) -> Fetch:
    """A sound server; `headers` replace those that say how many pages there are."""

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        pages = -(-len(everybody) // size)
        sound = {"x-total-pages": str(pages), "x-next-page": str(page + 1)}
        return everybody[(page - 1) * size : page * size], sound if headers is None else headers

    return fetch


def read(fetch: Fetch) -> tuple[str, ...]:
    return all_pages(fetch, str).entries


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 200, 2300])
@pytest.mark.parametrize("headers", [None, {}, {"x-total-pages": ""}, {"x-total-pages": "many"}, {"x-next-page": "1"}])
def test_each_entry_is_found_once_with_and_without_headers(number: int, headers: Mapping[str, str] | None) -> None:
    assert read(a_server(people(number), headers=headers)) == tuple(people(number))


@pytest.mark.parametrize("number", [40, 41])
def test_a_server_with_smaller_pages_announces_them(number: int) -> None:
    assert read(a_server(people(number), 20, {"x-per-page": "20"})) == tuple(people(number))


def test_a_server_that_always_repeats_page_1_is_an_error() -> None:
    for headers in ({}, {"x-total-pages": "23"}, {"x-total-pages": "2"}):
        with pytest.raises(PagingError, match="the server repeats page 1 as page 2") as caught:
            read(lambda _, headers=headers: (people(100), headers))  # type: ignore[misc]
        assert caught.value.reason is Reason.INVALID_RESPONSE


def test_a_list_with_fewer_pages_than_announced_is_an_error() -> None:
    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        return (people(100) if page == 1 else [], {"x-total-pages": "3"})

    with pytest.raises(PagingError, match="page 2 is empty although the server announced 3 pages"):
        read(fetch)


def test_an_empty_last_page_is_a_normal_end() -> None:
    sound = a_server(people(200))
    assert read(lambda page: (sound(page)[0], {})) == tuple(people(200))
    assert read(lambda page: (sound(page)[0], {"x-total-pages": "3"})) == tuple(people(200))


def test_an_entry_that_moves_to_the_last_page_meanwhile_is_not_an_error() -> None:
    # A user joined at the head of the list, so the last entry of page 1 came again as the first of page 2.
    pages = {1: people(100), 2: ["u99"]}
    assert read(lambda page: (pages[page], {"x-total-pages": "2"})) == tuple(people(100))


def test_an_endless_list_is_an_error() -> None:
    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        return [f"u{page}"], {"x-total-pages": "999999999"}

    with pytest.raises(PagingError, match="more than 2500 pages"):
        read(fetch)


def test_unreadable_entries_count_for_the_size_of_a_page() -> None:
    pages: dict[int, list[str | None]] = {1: [None, *people(99)], 2: ["last"], 3: []}
    assert read(lambda page: (pages[page], {})) == (*people(99), "last")


HEADERS = st.dictionaries(
    st.sampled_from(["x-total-pages", "x-per-page", "x-next-page"]),
    st.one_of(st.integers(-3, 30).map(str), st.sampled_from(["", "x", "1e9", "99999999999", "²"])),
)
PAGES = st.lists(st.tuples(st.lists(st.one_of(st.none(), st.sampled_from(people(120))), max_size=12), HEADERS))


@given(PAGES, st.integers(1, 40), st.sampled_from([1, 100]))
def test_whatever_the_server_does_reading_ends_and_no_entry_comes_twice(
    pages: list[tuple[list[str | None], dict[str, str]]], most: int, times: int
) -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        entries, headers = pages[(page - 1) % len(pages)] if pages else ([], {})
        return entries * times, headers

    try:
        found = all_pages(fetch, str, most).entries
    except PagingError:
        found = ()
    assert len(asked) <= most <= MOST_PAGES
    assert asked == list(range(1, len(asked) + 1))
    assert len(set(found)) == len(found)
    if found:
        listed = {entry for page in asked for entry in pages[(page - 1) % len(pages)][0]}
        assert set(found) == listed - {None}


def test_short_pages_are_all_read_if_the_total_is_known() -> None:
    assert read(a_server(people(41), 20, {"x-total": "41"})) == tuple(people(41))
    # a number that is too large costs one more page, not the list
    assert read(a_server(people(41), 100, {"x-total": "250"})) == tuple(people(41))


def test_a_list_without_pages_may_be_repeated() -> None:
    assert all_pages(lambda _: (people(120), {}), str, paged=False).entries == tuple(people(120))


def test_a_list_without_an_end_costs_as_many_requests_as_are_allowed() -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        return [f"u{page}"], {"x-total-pages": "999"}

    with pytest.raises(PagingError, match="more than 7 pages"):
        all_pages(fetch, str, 7)
    assert asked == [1, 2, 3, 4, 5, 6, 7]


def test_a_page_with_nothing_new_after_a_short_one_ends_the_list() -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        return people(3) if page == 1 else ["u1"], {"x-total": "50"}

    assert read(fetch) == ("u0", "u1", "u2")
    assert asked == [1, 2]


class Server:
    """A list whose pages a gateway caps at a size, with or without headers; counts the requests."""

    def __init__(self, entries: Sequence[str], cap: int, headers: str = "none", beyond: ApiError | None = None) -> None:
        self.pages = [entries[start : start + cap] for start in range(0, len(entries), cap)]
        self.headers = headers
        self.beyond = beyond
        self.requests = 0

    def __call__(self, page: int) -> tuple[Sequence[str], Mapping[str, str]]:
        self.requests += 1
        if page > len(self.pages):
            if self.beyond is not None:
                raise self.beyond
            return (), {}
        match self.headers:
            case "link":
                next_page = f', <https://other.example/?page={page + 1}>; rel="next"' if page < len(self.pages) else ""
                return self.pages[page - 1], {"link": f'<?page=1>; rel="first"{next_page}'}
            case "total":
                return self.pages[page - 1], {"x-total": str(sum(map(len, self.pages)))}
            case "total and pages":
                return self.pages[page - 1], {
                    "x-total": str(sum(map(len, self.pages))),
                    "x-total-pages": str(len(self.pages)),
                }
            case "total of the page":
                return self.pages[page - 1], {"x-total": str(len(self.pages[page - 1]))}
            case "requested size":
                return self.pages[page - 1], {"x-per-page": "100"}
            case _:
                return self.pages[page - 1], {}


@pytest.mark.parametrize(
    ("number", "cap", "headers", "requests"),
    [
        # 50, 50, 20, and one page without new entries.
        (120, 50, "none", 4),
        (120, 50, "requested size", 4),
        (120, 50, "total", 3),
        (120, 50, "link", 3),
        (100, 50, "none", 3),
        (100, 50, "link", 2),
        # A total of the page and not of the list, on each page.
        (120, 50, "total of the page", 4),
        (3, 100, "total", 2),
        (3, 100, "total and pages", 1),
        # A short list costs one request more, since it could be the first page of a longer one.
        (3, 100, "none", 2),
        (3, 100, "link", 1),
        (0, 100, "none", 1),
        (130, 100, "none", 3),
        (200, 100, "none", 3),
    ],
)
def test_pages_smaller_than_requested_are_all_read(number: int, cap: int, headers: str, requests: int) -> None:
    server = Server(people(number), cap, headers)
    assert read(server) == tuple(people(number))
    assert server.requests == requests


@given(
    st.integers(0, 400),
    st.integers(1, 100),
    st.sampled_from(["none", "link", "total", "requested size"]),
    st.sampled_from([None, ApiError(Reason.NOT_FOUND, "HTTP 404", status=404)]),
)
def test_whatever_the_size_of_a_page_each_entry_is_found_once(
    number: int, cap: int, headers: str, beyond: ApiError | None
) -> None:
    # After a page of the size requested, a page beyond the end must be empty: it could exist.
    server = Server(people(number), cap, headers, None if cap == 100 else beyond)
    if number == 0:
        server.beyond = None
    assert read(server) == tuple(people(number))
    assert server.requests <= -(-number // cap) + 1


def test_pages_of_different_sizes_are_all_read() -> None:
    pages = {1: people(100)[:48], 2: people(100)[48:98], 3: people(100)[98:99], 4: people(100)[99:], 5: []}
    assert read(lambda page: (pages[page], {})) == tuple(people(100))


@pytest.mark.parametrize(("reason", "status"), [(Reason.NOT_FOUND, 404), (Reason.BAD_REQUEST, 400)])
def test_an_error_for_a_page_that_need_not_exist_ends_the_list(reason: Reason, status: int) -> None:
    beyond = ApiError(reason, f"HTTP {status}", status=status)
    assert read(Server(people(30), 100, beyond=beyond)) == tuple(people(30))
    with pytest.raises(ApiError, match=f"HTTP {status}"):  # page 2 should exist after a full page 1
        read(Server(people(100), 100, beyond=beyond))
    with pytest.raises(ApiError, match=f"HTTP {status}"):
        read(Server([], 100, beyond=beyond))


def test_another_error_for_a_page_is_an_error() -> None:
    with pytest.raises(ApiError, match="HTTP 500"):
        read(Server(people(30), 100, beyond=ApiError(Reason.SERVER_ERROR, "HTTP 500", status=500)))


def test_a_short_page_that_is_repeated_is_the_complete_list() -> None:
    # A server without pages: it ignores the parameters, and returns everything each time.
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str], Mapping[str, str]]:
        asked.append(page)
        return people(30), {}

    assert read(fetch) == tuple(people(30))
    assert asked == [1, 2]
    for headers in ({"link": '<?page=9>; rel="next"'}, {"x-total-pages": "2"}, {"x-total": "60"}):
        with pytest.raises(PagingError, match="the server repeats page 1 as page 2"):
            read(lambda _, headers=headers: (people(30), headers))  # type: ignore[misc]


def test_a_list_that_the_platform_refuses_to_continue_is_too_long() -> None:
    refusal = ApiError(Reason.BAD_REQUEST, "HTTP 400 BadRequest", status=400)
    server = Server(people(10_000), 100, beyond=refusal)
    with pytest.raises(TooLongError) as caught:
        read(server)
    assert (
        caught.value.detail
        == "HTTP 400 BadRequest; the list is too long for the platform, which refuses it after 10000 entries"
    )
    assert (caught.value.reason, caught.value.status) == (Reason.BAD_REQUEST, 400)
    # The last page is shorter than the others: there are no more entries.
    assert len(read(Server(people(9_950), 100, beyond=refusal))) == 9_950
    # Pages of 50 do not show that: the limit counts the size that was requested.
    with pytest.raises(TooLongError, match="after 5000 entries"):
        read(Server(people(5_000), 50, beyond=refusal))
    # Another limit than that of 10,000, and a request that is wrong by itself.
    with pytest.raises(TooLongError, match="after 200 entries"):
        read(Server(people(200), 100, beyond=refusal))
    with pytest.raises(ApiError, match=r"HTTP 400 BadRequest$"):
        read(Server([], 100, beyond=refusal))


@pytest.mark.parametrize(
    ("totals", "pages", "settled"),
    [
        (["3"], [["a", "b", "c"]], True),
        (["0"], [[]], True),
        (["4"], [["a", "b", "c"]], False),
        ([""], [["a", "b", "c"]], False),
        # An unreadable entry may be anybody.
        (["3"], [["a", "b", None]], False),
        (["3", "3"], [["a", "b"], ["c"]], True),
        # Somebody left or joined meanwhile.
        (["4", "3"], [["a", "b"], ["c"]], False),
        (["3", "3"], [["a", "b"], ["b"]], False),
    ],
)
def test_a_list_is_settled_if_its_pages_agree_on_the_total(
    totals: list[str],
    pages: list[list[str | None]],
    settled: object,
) -> None:
    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        more = page < len(pages)
        link = '<?x>; rel="next"' if more else '<?x>; rel="first"'
        return (pages[page - 1], {"x-total": totals[page - 1], "link": link}) if page <= len(pages) else ([], {})

    assert all_pages(fetch, str).settled is settled


def test_pages_and_the_largest_of_them_are_counted() -> None:
    for headers in ("link", "none"):
        listing = all_pages(Server(people(120), 50, headers), str)
        assert (listing.pages, listing.page_size) == (3, 50)
    # A repeated page is no page.
    assert all_pages(lambda _: (people(30), {}), str).pages == 1
