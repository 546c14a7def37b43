from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.state import Reason
from exporter.platform.yunxiao.pagination import MOST_PAGES, PagingError, all_pages

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
    return all_pages(fetch, str)


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

    with pytest.raises(PagingError, match="more than 2000 pages"):
        read(fetch)


def test_unreadable_entries_count_for_the_size_of_a_page() -> None:
    pages: dict[int, list[str | None]] = {1: [None, *people(99)], 2: ["last"]}
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
        found = all_pages(fetch, str, most)
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
    assert all_pages(lambda _: (people(120), {}), str, paged=False) == tuple(people(120))


def test_a_list_without_an_end_costs_as_many_requests_as_are_allowed() -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        return [f"u{page}"], {"x-total-pages": "999"}

    with pytest.raises(PagingError, match="more than 7 pages"):
        all_pages(fetch, str, 7)
    assert asked == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("header", "requests"), [(" 2 ", 2), ("2", 2), ("\u0662", 1), ("9999999999", 1), ("-2", 1)])
def test_a_number_of_pages_is_ascii_digits_with_white_space_around_them(header: str, requests: int) -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        return [f"u{page}"], {"x-total-pages": header}

    assert len(read(fetch)) == len(asked) == requests


def test_a_page_with_nothing_new_after_a_short_one_ends_the_list() -> None:
    asked: list[int] = []

    def fetch(page: int) -> tuple[Sequence[str | None], Mapping[str, str]]:
        asked.append(page)
        return people(3) if page == 1 else ["u1"], {"x-total": "50"}

    assert read(fetch) == ("u0", "u1", "u2")
    assert asked == [1, 2]
