from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import pytest

from exporter.common.cancellation import Stop
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation
from exporter.platform.yunxiao.directory import parse_organizations
from exporter.platform.yunxiao.lists import ListReader
from exporter.platform.yunxiao.pagination import PagingError, TooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.platform.yunxiao.pagination import Listing

T = TypeVar("T")


class Client:
    """Serves a list in pages of the size requested, or of the cap if that is smaller."""

    def __init__(self, number: int, cap: int = 100) -> None:
        self.entries: list[object] = [{"id": f"o{one}"} for one in range(number)]
        self.cap = cap
        self.asked: list[tuple[int, int]] = []
        self.unreadable = 0

    def page(
        self, operation: Operation, path: str, query: Mapping[str, str], stop: Stop
    ) -> tuple[bytes, Mapping[str, str]]:
        stop.check()
        assert (operation, path, query["x"]) == (Operation.LIST_ORGANIZATIONS, "platform/organizations", "y")
        page, per_page = int(query["page"]), int(query["perPage"])
        self.asked.append((page, per_page))
        if page * per_page > 10_000:
            raise ApiError(Reason.BAD_REQUEST, "HTTP 400 BadRequest", status=400)
        size = min(per_page, self.cap)
        return json.dumps(self.entries[(page - 1) * size : page * size]).encode(), {}

    def read(self, parse: Callable[[], T]) -> T:
        return parse()

    def count_unreadable(self, field: str, count: int) -> None:
        assert field == "user"
        self.unreadable += count

    def count_truncated(self, field: str, count: int) -> None:
        raise AssertionError(field, count)


def read(reader: ListReader) -> Listing[str]:
    path = "platform/organizations"
    return reader.read(Operation.LIST_ORGANIZATIONS, path, {"x": "y"}, parse_organizations, str, Stop())


@pytest.mark.parametrize(
    ("number", "cap", "sizes"),
    [
        # 97 is 3 less than 100, 47 is 3 less than 50: a user at the end of a page is not at the end of one next time.
        (250, 100, [100, 97, 100, 97]),
        (250, 50, [100, 47, 100, 47]),
        (2, 1, [100, 1, 100, 1]),
        # One page cannot change while it is read.
        (99, 100, [100, 100, 100, 100]),
    ],
)
def test_long_lists_are_cut_at_other_places_every_other_time(number: int, cap: int, sizes: list[int]) -> None:
    client = Client(number, cap)
    reader = ListReader(client)
    seen = []
    for _ in sizes:
        client.asked.clear()
        assert len(read(reader).entries) == number
        seen.append({per_page for _, per_page in client.asked})
        reader.next_round()
    assert seen == [{size} for size in sizes]


def test_a_list_that_just_fits_is_read_with_pages_of_any_size() -> None:
    # 9,995 entries: with 97 a page, page 104 would end at entry 10,088, which the platform refuses.
    client = Client(9_995)
    reader = ListReader(client)
    for _ in range(2):
        assert len(read(reader).entries) == 9_995
        reader.next_round()
    assert {(103, 97), (104, 97), (100, 100)} <= set(client.asked)
    client.entries.extend({"id": f"more{one}"} for one in range(10))
    with pytest.raises(TooLongError):
        read(reader)


def test_entries_without_an_id_are_counted_and_a_page_of_them_is_an_error() -> None:
    client = Client(1)
    client.entries += [{"id": None}, 7]
    assert read(ListReader(client)).entries == ("o0",)
    assert client.unreadable == 2
    client.entries = [{"name": "x"}]
    with pytest.raises(PagingError, match="none of the 1 entries of page 1 has an id"):
        read(ListReader(client))


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (Reason.FORBIDDEN, 403, "HTTP 403; failed call: list_organizations (GET /oapi/v1/platform/organizations)"),
        (Reason.NOT_FOUND, 404, "HTTP 404; failed call: list_organizations (GET /oapi/v1/platform/organizations)"),
        (Reason.SERVER_ERROR, 500, "HTTP 500"),
        (Reason.UNAUTHORIZED, 401, "HTTP 401"),
    ],
)
def test_a_call_that_the_platform_does_not_offer_is_named(
    monkeypatch: pytest.MonkeyPatch, reason: Reason, status: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise ApiError(reason, f"HTTP {status}", status=status)

    monkeypatch.setattr(Client, "page", refuse)
    with pytest.raises(ApiError) as caught:
        read(ListReader(Client(1)))
    assert (caught.value.reason, caught.value.status, caught.value.detail) == (reason, status, words)


def test_a_secret_in_the_path_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ApiError(Reason.FORBIDDEN, "HTTP 403", status=403)

    monkeypatch.setattr(Client, "page", refuse)
    reader = ListReader(Client(1), lambda text: text.replace("s3cret", "[redacted]"))
    with pytest.raises(ApiError, match=r"GET /oapi/v1/platform/\[redacted\]\)$"):
        reader.read(Operation.LIST_MEMBERS, "platform/s3cret", {}, parse_organizations, str, Stop())
