from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from exporter.common.cancellation import Stop
from exporter.config.discovery import Discover
from exporter.model.state import Reason
from exporter.model.user import Owner, User
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.discovery import Discoverer
from exporter.platform.yunxiao.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
LI = {"id": "1", "name": "李伟", "username": "li.wei", "email": "li.wei@example.com", "sysDeptIds": ["d2"]}
WANG = {"id": "2", "name": "wang.fang", "username": "wang", "status": "enabled", "sysDeptIds": ["d1", "d3"]}
BOT = {"id": "3", "username": "bot-7", "status": "DELETED"}
TREE = {
    "": [("d1", "研发部", True), ("d9", "Ops", False)],
    "d1": [("d2", "平台组", True)],
    "d2": [("d1", "研发部", True)],
}


class Directory:
    """Answers with one page a path; an error where it holds one."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.unreadable: list[str] = []
        self.truncated: list[tuple[str, int]] = []

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        stop.check()
        self.asked.append((operation, path, dict(query)))
        answer = self.answers.get(path, ApiError(Reason.NOT_FOUND, "HTTP 404"))
        if callable(answer):
            answer = answer(query)
        if isinstance(answer, ApiError):
            raise answer
        return json.dumps(answer).encode(), {}

    def read(self, parse: Callable[[], T]) -> T:
        return parse()

    def count_unreadable(self, field: str) -> None:
        self.unreadable.append(field)

    def count_truncated(self, field: str, count: int) -> None:
        self.truncated.append((field, count))

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


def departments(query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"id": one, "name": name, "hasSub": sub} for one, name, sub in TREE.get(query["parentId"], [])]


def find(directory: Directory, **config: Any) -> tuple[User, ...]:
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    section = Discover.model_validate({"source": "users"} | tuples)
    return Discoverer("acme", directory, section).find_users(Stop())


def ids(directory: Directory, **config: Any) -> list[str]:
    return [user.user_id for user in find(directory, **config)]


def test_users_bring_their_name_and_their_owner() -> None:
    directory = Directory({"platform/users": [LI, WANG, BOT], "platform/departments": departments})
    assert find(directory) == (
        User("1", "李伟", owner=Owner("li.wei@example.com", "平台组", "li.wei")),
        # d3 has no name that the platform would tell
        User("2", "wang.fang", owner=Owner(None, "d3, 研发部", "wang")),
    )
    assert directory.asked[0] == ("list_users", "platform/users", {"page": "1", "perPage": "100"})


def test_departments_are_shown_by_id_if_their_names_cannot_be_fetched() -> None:
    refused = ApiError(Reason.FORBIDDEN, "HTTP 403")
    directory = Directory({"platform/users": [LI], "platform/departments": refused})
    discoverer = Discoverer("acme", directory, Discover.model_validate({"source": "users"}))
    for _ in range(2):
        (user,) = discoverer.find_users(Stop())
        assert user.owner == Owner("li.wei@example.com", "d2", "li.wei")
    assert directory.paths().count("platform/departments") == 1


def test_names_of_departments_are_fetched_once() -> None:
    directory = Directory({"platform/users": [LI, WANG], "platform/departments": departments})
    discoverer = Discoverer("acme", directory, Discover.model_validate({"source": "users"}))
    discoverer.find_users(Stop())
    asked = len(directory.asked)
    discoverer.find_users(Stop())
    assert len(directory.asked) == asked + 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["1", "2"]),
        ({"status": "enabled"}, ["1", "2"]),
        # 1 has no status: the platform has applied the query, or no client can
        ({"status": "Deleted"}, ["1", "3"]),
        ({"include": ["li\\..*"]}, ["1"]),
        ({"include": ["李伟", "wang"]}, ["1", "2"]),
        ({"include": ["i.wei"]}, []),
        ({"exclude": [".*@example\\.com"]}, ["2"]),
        ({"include": [".*"], "exclude": ["wang"]}, ["1"]),
        ({"departments": ["d9"]}, []),
        ({"departments": ["d2"]}, ["1", "2"]),  # the platform lists a cycle: d1 is below d2
        ({"departments": ["d3"]}, ["2"]),
    ],
)
def test_filters(config: dict[str, Any], expected: list[str]) -> None:
    directory = Directory({"platform/users": [LI, WANG, BOT], "platform/departments": departments})
    assert ids(directory, **config) == expected


def test_status_goes_into_the_query() -> None:
    directory = Directory({"platform/users": []})
    find(directory, status="enabled")
    assert directory.asked[0][2]["status"] == "enabled"


def test_a_department_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ApiError) as caught:
        find(Directory({"platform/users": [LI]}), departments=["d7"])
    assert caught.value.reason is Reason.NOT_FOUND


MEMBER = {"id": "m1", "userId": "1", "name": "li.wei", "status": "ENABLED"}


def test_members_are_known_by_their_user_id() -> None:
    directory = Directory({"platform/organizations/a%2Fb/members": [MEMBER]})
    assert ids(directory, source="members", organization_id="a/b", status="enabled") == ["1"]


def test_members_of_all_organizations_each_once() -> None:
    other = {"id": "m2", "user_id": "2", "name": "x"}
    directory = Directory(
        {
            "platform/organizations": [{"id": "o1"}, {"id": "o2"}],
            "platform/organizations/o1/members": [MEMBER],
            "platform/organizations/o2/members": {"success": True, "data": [MEMBER | {"id": "m9"}, other]},
        }
    )
    assert ids(directory, source="members") == ["1", "2"]


def test_the_form_without_the_organization_in_the_path() -> None:
    directory = Directory({"platform/members": [MEMBER]})
    assert ids(directory, source="members", organization_id="o1", organization_in_path=False) == ["1"]
    assert directory.asked[0][2] == {"organizationId": "o1", "page": "1", "perPage": "100"}
    # An edition with one organization lists none.
    assert ids(directory, source="members", organization_in_path=False) == ["1"]
    with pytest.raises(ApiError):
        ids(directory, source="members")


def test_entries_without_an_id_are_counted_and_skipped() -> None:
    directory = Directory({"platform/users": [{"name": "x"}, 7, None, {"id": ""}, WANG | {"sysDeptIds": None}]})
    assert ids(directory) == ["2"]
    assert directory.unreadable == ["user"] * 4


def test_chosen_attributes_become_labels() -> None:
    directory = Directory({"platform/users": [LI, {"id": "4"}]})
    found = find(directory, owner_labels=["username", "email"])
    assert [user.labels for user in found] == [(("email", "li.wei@example.com"), ("username", "li.wei")), ()]
    assert (found[1].name, found[1].owner) == ("4", None)


def test_an_endless_tree_is_an_error() -> None:
    def endless(query: Mapping[str, str]) -> list[dict[str, Any]]:
        return [
            {"id": f"{query['parentId']}{number}"[-40:] + str(hash(query["parentId"])), "hasSub": True}
            for number in range(99)
        ]

    with pytest.raises(ApiError, match="departments, the tree seems to be endless"):
        find(Directory({"platform/users": [LI], "platform/departments": endless}), departments=["d"])


def test_departments_are_searched_in_each_organization() -> None:
    # d1 with its d2 belongs to o1, d8 to o2; each organization answers 404 for the other's.
    def first(query: Mapping[str, str]) -> Any:
        known = query["parentId"] in TREE
        return departments(query) if known else ApiError(Reason.NOT_FOUND, "HTTP 404")

    def second(query: Mapping[str, str]) -> Any:
        known = query["parentId"] in {"", "d8"}
        return [{"id": "d80", "hasSub": False}] if known else ApiError(Reason.NOT_FOUND, "HTTP 404")

    directory = Directory(
        {
            "platform/organizations": [{"id": "o1"}, {"id": "o2"}],
            "platform/organizations/o1/members": [
                {"userId": "1", "deptIds": ["d2"]},
                {"userId": "2", "deptIds": ["d9"]},
            ],
            "platform/organizations/o2/members": [{"userId": "3", "deptIds": ["d80"]}, {"userId": "4"}],
            "platform/organizations/o1/departments": first,
            "platform/organizations/o2/departments": second,
        }
    )
    assert ids(directory, source="members", departments=["d8", "d1"]) == ["1", "3"]
    with pytest.raises(ApiError, match="not_found: department not found: d7"):
        ids(directory, source="members", departments=["d1", "d7"])


def test_a_page_without_any_readable_entry_is_an_error() -> None:
    directory = Directory({"platform/users": [{"name": "x"}, {"id": None}]})
    with pytest.raises(ApiError, match="none of the 2 entries of page 1 has an id"):
        find(directory)
    assert directory.unreadable == ["user", "user"]


def test_the_year_1_is_not_a_time_of_deletion() -> None:
    kept = {"id": "1", "name": "a", "deletedAt": "0001-01-01T00:00:00Z"}
    gone = {"id": "2", "name": "b", "deletedAt": "2026-01-01T00:00:00Z"}
    assert ids(Directory({"platform/users": [kept, gone]})) == ["1"]


def test_cut_texts_are_counted_and_the_departments_of_an_owner_are_limited() -> None:
    wide = {f"d{number}": f"{number:0200}" for number in range(5)}
    directory = Directory(
        {
            "platform/users": [{"id": "1", "name": "n" * 300, "sysDeptIds": sorted(wide)}],
            "platform/departments": lambda query: [
                {"id": one, "name": name, "hasSub": False} for one, name in wide.items() if query["parentId"] == ""
            ],
        }
    )
    (user,) = find(directory)
    assert len(user.name) == 256
    assert user.owner is not None
    assert user.owner.department is not None
    assert len(user.owner.department) == 256
    assert directory.truncated == [("user", 1)]


def test_secrets_are_replaced_in_texts_about_people() -> None:
    directory = Directory({"platform/users": [LI | {"name": "x s3cret", "email": "s3cret@example.com"}]})
    section = Discover.model_validate({"source": "users"})
    clean = Discoverer("acme", directory, section, lambda text: text.replace("s3cret", "[redacted]"))
    (user,) = clean.find_users(Stop())
    assert user.name == "x [redacted]"
    assert user.owner is not None
    assert user.owner.email == "[redacted]@example.com"


def test_a_page_with_too_many_entries_is_an_error() -> None:
    directory = Directory({"platform/users": [{"id": str(number)} for number in range(20_001)]})
    with pytest.raises(WireError, match="more than 20000 users"):
        find(directory)
