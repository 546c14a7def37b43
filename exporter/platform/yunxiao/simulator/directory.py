"""The simulated platform's lists: users, members, organizations, departments and SSH keys; and the caller."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from exporter.platform.yunxiao.simulator.envelopes import REQUEST_ID
from exporter.platform.yunxiao.simulator.pages import Request, page_of
from exporter.platform.yunxiao.simulator.records import DEPARTMENTS, ORGANIZATIONS, PersonRecord
from exporter.platform.yunxiao.simulator.wire import key_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.platform.yunxiao.simulator.enterprise import Enterprise
    from exporter.platform.yunxiao.simulator.quirks import Quirks

CALLER_ID = "00000000-0000-0000-0000-00000000ad01"
"""The administrator whose token requests carry. Not on the lists, so that these have only the users of a test."""
_CALLER = PersonRecord(CALLER_ID, "管理员", "admin", "admin@example.com", ("dept-4",))
_KEYS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the directory.

    Attributes:
        status: the HTTP status; only an answer with 200 has a body here.
        body: the JSON.
        headers: the headers about pages.
        code: the error code, if it is not the usual one of the status.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _List:
    """A list: what is on it, and how an entry is written. Only the entries of one page are written.

    Attributes:
        of_people: whether people come and go on it.
        per_page: entries of a page if a request does not say.
    """

    records: Sequence[Any]
    entry: Callable[[Any], dict[str, Any]]
    of_people: bool = False
    per_page: int = 100


def answer(enterprise: Enterprise, quirks: Quirks, path: str, query: Mapping[str, str]) -> Answer:
    """The answer to one request; 404 for any other call.

    Args:
        enterprise: the users.
        quirks: oddities of the answers.
        path: below ``/oapi/v1``, as it stands in the request.
        query: the parameters.
    """
    if path in {"/platform/user", "/platform/users:me"}:
        if quirks.older_caller and path == "/platform/user":
            return Answer(404)
        return Answer(200, wrapped(_user(_CALLER, quirks), quirks))
    found = _find(enterprise, quirks, [unquote(part) for part in path.strip("/").split("/")], query)
    if isinstance(found, Answer):
        return found
    request = Request(path, query, found.per_page)
    page = page_of([] if quirks.nobody else found.records, request, quirks)
    if found.of_people and request.page == quirks.shifting:
        _shift(enterprise)
    if page.status != HTTPStatus.OK:
        return Answer(page.status)
    return Answer(200, wrapped([found.entry(one) for one in page.entries], quirks), page.headers or {})


def wrapped(body: Any, quirks: Quirks) -> Any:
    """The body of an answer in the envelope that the quirks say."""
    match quirks.envelope:
        case "data":
            return {"data": body}
        case "result":
            return {"result": body, "success": True}
        case "result_with_code":
            return {"requestId": REQUEST_ID, "errorCode": "Openapi.RequestError", "success": True, "result": body}
        case _:
            return body


def _find(enterprise: Enterprise, quirks: Quirks, parts: list[str], query: Mapping[str, str]) -> _List | Answer:
    match parts:
        case ["platform", "users"]:
            return _List(enterprise.people(query.get("status")), lambda one: _user(one, quirks), of_people=True)
        case ["platform", "organizations"]:
            return _List(list(ORGANIZATIONS), lambda one: {"id": one, "name": ORGANIZATIONS[one]})
        case ["platform", "members"]:
            return _members(enterprise, quirks, query.get("organizationId", next(iter(ORGANIZATIONS))))
        case ["platform", "organizations", organization, "members"]:
            return _members(enterprise, quirks, organization)
        case ["platform", "departments"] | ["platform", "organizations", _, "departments"]:
            return _departments(query.get("parentId", ""))
        case ["codeup", "organizations", organization, "users", user_id, "keys"]:
            return _keys(enterprise, quirks, organization, user_id)
        case _:
            return Answer(404)


def _members(enterprise: Enterprise, quirks: Quirks, organization: str) -> _List | Answer:
    if organization not in ORGANIZATIONS:
        return Answer(404)
    return _List(enterprise.members(organization), lambda one: _member(one, quirks), of_people=True)


def _departments(parent: str) -> _List | Answer:
    if parent and parent not in DEPARTMENTS:
        return Answer(404)
    above = {upper for _, upper in DEPARTMENTS.values()}
    children = [one for one, (_, upper) in DEPARTMENTS.items() if upper == parent]
    return _List(
        children,
        lambda one: {"id": one, "name": DEPARTMENTS[one][0], "parentId": parent or None, "hasSub": one in above},
    )


def _keys(enterprise: Enterprise, quirks: Quirks, organization: str, user_id: str) -> _List | Answer:
    match quirks.ssh_keys:
        case "403":
            return Answer(403)
        case "unsupported":
            return Answer(400, code="UnsupportedInCurrentEnv")
        case "404":
            return Answer(404)
    if organization not in ORGANIZATIONS or not enterprise.knows(user_id):
        return Answer(404)
    records = enterprise.keys(user_id) if quirks.ssh_keys == "on" else ()
    return _List(records, lambda one: key_entry(one, quirks), per_page=_KEYS_PER_PAGE)


def _shift(enterprise: Enterprise) -> None:
    """Let the first person leave, or join again if all others are listed."""
    first = enterprise.users()[:1]
    for user in first:
        if enterprise.is_listed(user.user_id):
            enterprise.leave(user.user_id)
        else:
            enterprise.join(user.user_id)


def _user(person: PersonRecord, quirks: Quirks) -> dict[str, Any]:
    return {
        "id": person.user_id,
        "name": None if quirks.null_names else person.name,
        "username": None if quirks.null_names else person.username,
        "email": person.email,
        "status": person.status,
        "sysDeptIds": list(person.departments),
    }


def _member(person: PersonRecord, quirks: Quirks) -> dict[str, Any]:
    status = person.status.upper()
    if quirks.member_status == "undeleted":
        status = status if status == "DELETED" else "UNDELETED"
    elif quirks.member_status == "normal_using" and status == "ENABLED":
        status = "NORMAL_USING" if zlib.crc32(person.user_id.encode()) % 4 else "UNVISITED"
    return {
        "id": f"member-{person.user_id}",
        "userId": person.user_id,
        "name": None if quirks.null_names else person.name,
        "email": person.email,
        "status": status,
        "deptIds": list(person.departments),
    }
