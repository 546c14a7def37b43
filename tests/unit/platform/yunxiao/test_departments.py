from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from structlog.testing import capture_logs

from exporter.common.cancellation import Stop
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.departments import Departments
from exporter.platform.yunxiao.directory import parse_users
from exporter.platform.yunxiao.lists import ListReader
from exporter.platform.yunxiao.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
PLACE = Place(Operation.LIST_USERS, "platform/users", parse_users, "platform/departments", status="enabled")
UNKNOWN = ApiError(Reason.NOT_FOUND, "HTTP 404", status=404)


class Client:
    """Departments by parent, an error where it holds one, and the headers of a list that fits on one page."""

    def __init__(self, **children: Any) -> None:
        self.children = children
        self.asked: list[str] = []

    def page(
        self, operation: Operation, path: str, query: Mapping[str, str], stop: Stop
    ) -> tuple[bytes, Mapping[str, str]]:
        stop.check()
        assert (operation, path) == (Operation.LIST_DEPARTMENTS, "platform/departments")
        assert query == {"parentId": query["parentId"], "page": "1", "perPage": "100"}
        self.asked.append(query["parentId"])
        answer = self.children.get(query["parentId"] or "top", [])
        if isinstance(answer, ApiError):
            raise answer
        return json.dumps(answer).encode(), {"x-total-pages": "1"}

    def read(self, parse: Callable[[], T]) -> T:
        return parse()

    def count_unreadable(self, field: str, count: int) -> None:
        raise AssertionError(field, count)

    def count_truncated(self, field: str, count: int) -> None:
        raise AssertionError(field, count)


def d(one: str, name: str | None = None, *, below: bool | None = None) -> dict[str, Any]:
    return {"id": one, "name": name, "hasSub": below}


def test_departments_are_found_with_all_below_them() -> None:
    # hasSub is null for d2: it is requested, to be sure. d4 is also above d1.
    client = Client(d1=[d("d2"), d("d3", below=False)], d2=[d("d4", below=True)], d4=[d("d1", below=True)])
    tree = Departments("acme", ListReader(client))
    missing = {"d1", "d9"}
    assert tree.with_those_below(PLACE, ("d1",), missing, Stop()) == {"d1", "d2", "d3", "d4"}
    assert client.asked == ["d1", "d2", "d4"]
    assert missing == {"d9"}


@pytest.mark.parametrize(
    ("error", "is_unknown"),
    [
        (UNKNOWN, True),
        # A bad request: the id is unknown or has another form.
        (ApiError(Reason.BAD_REQUEST, "HTTP 400 BadRequest", status=400), True),
        (ApiError(Reason.UNSUPPORTED, "HTTP 400 UnsupportedInCurrentEnv", status=400), False),
        (ApiError(Reason.FORBIDDEN, "HTTP 403", status=403), False),
        (ApiError(Reason.SERVER_ERROR, "HTTP 500", status=500), False),
    ],
)
def test_a_department_that_the_platform_does_not_know_stays_missing(error: ApiError, is_unknown: object) -> None:
    tree = Departments("acme", ListReader(Client(d1=error)))
    missing = {"d1"}
    if is_unknown is True:
        tree.with_those_below(PLACE, ("d1",), missing, Stop())
        assert missing == {"d1"}
        return
    with pytest.raises(ApiError) as caught:
        tree.with_those_below(PLACE, ("d1",), missing, Stop())
    assert (caught.value.reason, caught.value.status) == (error.reason, error.status)


def test_names_are_fetched_until_all_are_known_and_only_once() -> None:
    client = Client(top=[d("d1", "研发部", below=True), d("d2", "Ops", below=True)], d1=[d("d3", "平台组")])
    tree = Departments("acme", ListReader(client))
    tree.learn_names({"d2"}, [PLACE], Stop())
    assert (tree.name("d2"), tree.name("d3"), client.asked) == ("Ops", "d3", [""])
    tree.learn_names({"d3", "d4"}, [PLACE], Stop())
    assert (tree.name("d3"), tree.name("d4")) == ("平台组", "d4")
    assert client.asked == ["", "", "d1", "d2", "d3"]
    tree.learn_names({"d3", "d4"}, [PLACE], Stop())
    assert len(client.asked) == 5


def test_a_department_without_a_name_is_shown_by_its_id() -> None:
    tree = Departments("acme", ListReader(Client(top=[d("d1")])))
    tree.learn_names({"d1"}, [PLACE], Stop())
    assert tree.name("d1") == "d1"


@pytest.mark.parametrize(
    ("error", "requests"),
    [
        (ApiError(Reason.FORBIDDEN, "HTTP 403", status=403), 1),
        # May work next time.
        (ApiError(Reason.SERVER_ERROR, "HTTP 500", status=500), 2),
    ],
)
def test_names_that_cannot_be_fetched_are_logged_and_cost_nothing_else(error: ApiError, requests: int) -> None:
    client = Client(top=error)
    tree = Departments("acme", ListReader(client))
    with capture_logs() as lines:
        for _ in range(2):
            tree.learn_names({"d1"}, [PLACE], Stop())
    assert len(client.asked) == len(lines) == requests
    assert lines[0]["detail"].startswith(error.detail)


def test_a_refused_token_is_an_error() -> None:
    tree = Departments("acme", ListReader(Client(top=ApiError(Reason.UNAUTHORIZED, "HTTP 401", status=401))))
    with pytest.raises(ApiError, match="HTTP 401"):
        tree.learn_names({"d1"}, [PLACE], Stop())


def test_departments_that_are_refused_alone_have_no_names() -> None:
    refused = ApiError(Reason.UNAUTHORIZED, "HTTP 401", status=401, refusal=Refusal.CALL)
    tree = Departments("acme", ListReader(Client(top=refused)))
    tree.learn_names({"d1"}, [PLACE], Stop())
    assert tree.name("d1") == "d1"
