from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from exporter.common.cancellation import Stop
from exporter.config.discovery import Discover
from exporter.model.state import Reason
from exporter.model.user import Owner, User
from exporter.platform.base import ApiError, FoundUsers
from exporter.platform.yunxiao.discovery import Discoverer
from exporter.platform.yunxiao.json_body import WireError

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
    """Answers with one page a path, without headers; an error where it holds one."""

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
        if query["page"] != "1":
            answer = []
        return json.dumps(answer).encode(), {}

    def read(self, parse: Callable[[], T]) -> T:
        return parse()

    def count_unreadable(self, field: str, count: int) -> None:
        self.unreadable += [field] * count

    def count_truncated(self, field: str, count: int) -> None:
        self.truncated.append((field, count))

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


def departments(query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"id": one, "name": name, "hasSub": sub} for one, name, sub in TREE.get(query["parentId"], [])]


def find(directory: Directory, **config: Any) -> tuple[User, ...]:
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    section = Discover.model_validate({"source": "users"} | tuples)
    return Discoverer("acme", directory, section).find_users(Stop()).users


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
        (user,) = discoverer.find_users(Stop()).users
        assert user.owner == Owner("li.wei@example.com", "d2", "li.wei")
    assert directory.paths().count("platform/departments") == 1


def test_names_of_departments_are_fetched_once() -> None:
    directory = Directory({"platform/users": [LI, WANG], "platform/departments": departments})
    discoverer = Discoverer("acme", directory, Discover.model_validate({"source": "users"}))
    discoverer.find_users(Stop())
    asked = len(directory.asked)
    discoverer.find_users(Stop())
    assert directory.paths()[asked:] == ["platform/users"] * 2


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
    person = LI | {"name": "x s3cret", "email": "s3cret@example.com", "sysDeptIds": ["d-s3cret"]}
    nameless = {"id": "id-s3cret"}
    directory = Directory({"platform/users": [person, nameless]})
    section = Discover.model_validate({"source": "users"})
    clean = Discoverer("acme", directory, section, lambda text: text.replace("s3cret", "[redacted]"))
    user, other = clean.find_users(Stop()).users
    assert user.name == "x [redacted]"
    assert user.owner is not None
    assert user.owner.email == "[redacted]@example.com"
    assert user.owner.department == "d-[redacted]"
    # An id stays as it is, or it would be another user's.
    assert (other.user_id, other.name) == ("id-s3cret", "id-[redacted]")


def test_a_page_with_too_many_entries_is_an_error() -> None:
    directory = Directory({"platform/users": [{"id": str(number)} for number in range(20_001)]})
    with pytest.raises(WireError, match="more than 20000 users"):
        find(directory)


REFUSED = ApiError(Reason.BAD_REQUEST, "HTTP 400 BadRequest", status=400)


class LongDirectory(Directory):
    """Refuses what is beyond 10,000 entries, as the platform does; lists people by department, or ignores that."""

    def __init__(self, people: list[dict[str, Any]], *, ignores_department: bool = False) -> None:
        super().__init__({"platform/departments": departments})
        self.people = people
        self.ignores_department = ignores_department

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        if path == "platform/departments":
            return super().page(operation, path, query, stop)
        self.asked.append((operation, path, dict(query)))
        number, size = int(query["page"]), int(query["perPage"])
        if number * size > 10_000:
            raise REFUSED
        one = None if self.ignores_department else query.get("deptId")
        listed = [person for person in self.people if one is None or one in person["sysDeptIds"]]
        total = {"x-total": str(len(listed)), "x-total-pages": str(-(-len(listed) // size))}
        return json.dumps(listed[(number - 1) * size : number * size]).encode(), total


def staff(number: int, department: str) -> list[dict[str, Any]]:
    ids = (f"{department}-{one}" for one in range(number))
    return [{"id": one, "userId": one, "name": "x", "sysDeptIds": [department]} for one in ids]


def test_a_list_that_is_too_long_for_the_platform_names_the_way_out() -> None:
    too_long = "HTTP 400 BadRequest; the list is too long for the platform, which refuses it after 10000 entries; "
    with pytest.raises(ApiError) as caught:
        find(LongDirectory(staff(10_001, "d2")))
    assert caught.value.detail == (f"{too_long}set users.discover.departments, then users are listed by department")
    assert (caught.value.reason, caught.value.status) == (REFUSED.reason, 400)
    with pytest.raises(ApiError) as caught:
        find(LongDirectory(staff(10_001, "d2")), source="members", organization_id="o1")
    assert caught.value.detail == (
        f"{too_long}use source: users and set users.discover.departments, then users are listed by department"
    )
    for directory in (LongDirectory(staff(10_001, "d2")), LongDirectory(staff(10_001, "d2"), ignores_department=True)):
        with pytest.raises(ApiError) as caught:
            find(directory, departments=["d2"])
        assert caught.value.detail.startswith(f"{too_long}set users.discover.departments to departments below d")


def test_a_list_that_is_too_long_is_read_by_department_from_then_on() -> None:
    # d2 is below d1, and d9 is not selected.
    directory = LongDirectory([*staff(4_000, "d1"), *staff(6_000, "d2"), *staff(7_000, "d9")])
    section = Discover.model_validate({"source": "users", "status": "ENABLED", "departments": ("d1",)})
    discoverer = Discoverer("acme", directory, section)
    expected = {person["id"] for person in (*staff(4_000, "d1"), *staff(6_000, "d2"))}
    # At first 101 pages in vain. The next time pages have 97 entries.
    for requests in (101 + 40 + 60, 42 + 62):
        directory.asked.clear()
        found = discoverer.find_users(Stop())
        assert {user.user_id for user in found.users} == expected
        assert len(found.users) == len(expected)
        # A user may have moved from one list to another.
        assert not found.is_complete
        asked = [query for _, path, query in directory.asked if path == "platform/users"]
        assert len(asked) == requests
        assert {query["status"] for query in asked} == {"enabled"}
        of_departments = [query for _, path, query in directory.asked if path == "platform/departments"]
        assert of_departments
        assert all("status" not in query for query in of_departments)


def test_users_listed_for_a_department_need_not_name_it() -> None:
    people = [{"id": f"u{one}", "sysDeptIds": ["d2"]} for one in range(3)]
    directory = LongDirectory([*staff(10_001, "d9"), *people])
    original = directory.page

    def page(operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        body, headers = original(operation, path, query, stop)
        return body.replace(b"sysDeptIds", b"other"), headers

    directory.page = page  # type: ignore[method-assign]
    assert ids(directory, departments=["d2"]) == ["u0", "u1", "u2"]


@pytest.mark.parametrize(
    ("headers", "config", "complete"),
    [
        ({"x-total": "3"}, {}, True),
        ({"x-total": "4"}, {}, False),
        ({}, {}, False),
        # Users of a department that is missing from its list are not selected.
        ({"x-total": "3"}, {"departments": ("d1",)}, False),
        ({"x-total": "3"}, {"source": "members", "organization_id": "o1"}, True),
        # The list of organizations may be incomplete.
        ({"x-total": "3"}, {"source": "members"}, False),
    ],
)
def test_a_list_is_complete_if_it_has_as_many_entries_as_it_says(
    headers: dict[str, str], config: dict[str, Any], complete: object
) -> None:
    class WithHeaders(Directory):
        def page(
            self, operation: str, path: str, query: Mapping[str, str], stop: Stop
        ) -> tuple[bytes, Mapping[str, str]]:
            return super().page(operation, path, query, stop)[0], headers if "departments" not in path else {}

    people: list[dict[str, Any]] = [LI, WANG, BOT]
    members: list[dict[str, Any]] = [person | {"userId": person["id"]} for person in people]
    directory = WithHeaders(
        {
            "platform/users": people,
            "platform/organizations": [{"id": "o1"}],
            "platform/organizations/o1/members": members,
            "platform/departments": departments,
        }
    )
    section = Discover.model_validate({"source": "users"} | config)
    found = Discoverer("acme", directory, section).find_users(Stop())
    assert found.is_complete is complete
    assert found.unselected == {"3"}  # deleted


def test_users_that_filters_leave_out_are_unselected_and_those_of_other_departments_are_not() -> None:
    directory = Directory({"platform/users": [LI, WANG, BOT], "platform/departments": departments})
    section = Discover.model_validate({"source": "users", "exclude": ("wang",), "departments": ("d9",)})
    found = Discoverer("acme", directory, section).find_users(Stop())
    assert found == FoundUsers((), frozenset({"2", "3"}))


def test_a_member_deleted_in_one_organization_may_be_selected_in_another() -> None:
    directory = Directory(
        {
            "platform/organizations": [{"id": "o1"}, {"id": "o2"}],
            "platform/organizations/o1/members": [MEMBER | {"status": "DELETED"}],
            "platform/organizations/o2/members": [MEMBER | {"status": "NORMAL_USING"}],
        }
    )
    section = Discover.model_validate({"source": "members", "status": "enabled"})
    found = Discoverer("acme", directory, section).find_users(Stop())
    assert ([user.user_id for user in found.users], found.unselected) == (["1"], frozenset())


def test_a_member_deleted_in_one_organization_may_be_missing_from_the_list_of_another() -> None:
    directory = Directory(
        {
            "platform/organizations": [{"id": "o1"}, {"id": "o2"}],
            "platform/organizations/o1/members": [MEMBER | {"status": "DELETED"}],
            "platform/organizations/o2/members": [MEMBER | {"userId": "2", "status": "NORMAL_USING"}],
        }
    )
    found = Discoverer("acme", directory, Discover.model_validate({"source": "members"})).find_users(Stop())
    assert ([user.user_id for user in found.users], found.unselected) == (["2"], frozenset())
