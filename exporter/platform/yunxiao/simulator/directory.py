"""The simulated platform's directory: users, members, organizations, departments and the caller, with their pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from exporter.platform.yunxiao.simulator.enterprise import DEPARTMENTS, ORGANIZATIONS, PersonRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.platform.yunxiao.simulator.enterprise import Enterprise
    from exporter.platform.yunxiao.simulator.faults import Quirks

CALLER_ID = "00000000-0000-0000-0000-00000000ad01"
"""The administrator whose token requests carry. Not on the lists, so that these have only the users of a test."""
_CALLER = PersonRecord(CALLER_ID, "管理员", "admin", "admin@example.com", ("dept-4",))
_MOST_PER_PAGE = 100
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the directory.

    Attributes:
        status: the HTTP status; only an answer with 200 has a body here.
        body: the JSON.
        headers: the headers about pages.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


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
            return Answer(_NOT_FOUND)
        return Answer(200, _user(_CALLER))
    entries = _entries(enterprise, [unquote(part) for part in path.strip("/").split("/")], query)
    if entries is None:
        return Answer(_NOT_FOUND)
    return _page([] if quirks.nobody else entries, quirks, query)


def _entries(enterprise: Enterprise, parts: list[str], query: Mapping[str, str]) -> list[dict[str, Any]] | None:
    match parts:
        case ["platform", "users"]:
            status = query.get("status")
            return [_user(one) for one in enterprise.people() if status in {None, one.status}]
        case ["platform", "organizations"]:
            return [{"id": one, "name": name} for one, name in ORGANIZATIONS.items()]
        case ["platform", "members"]:
            one = query.get("organizationId", next(iter(ORGANIZATIONS)))
            return _members(enterprise, one)
        case ["platform", "organizations", one, "members"]:
            return _members(enterprise, one)
        case ["platform", "departments"] | ["platform", "organizations", _, "departments"]:
            return _departments(query.get("parentId", ""))
        case _:
            return None


def _members(enterprise: Enterprise, organization_id: str) -> list[dict[str, Any]] | None:
    return (
        None if organization_id not in ORGANIZATIONS else [_member(one) for one in enterprise.members(organization_id)]
    )


def _departments(parent: str) -> list[dict[str, Any]] | None:
    if parent and parent not in DEPARTMENTS:
        return None
    above = {upper for _, upper in DEPARTMENTS.values()}
    return [
        {"id": one, "name": name, "parentId": upper or None, "hasSub": one in above}
        for one, (name, upper) in DEPARTMENTS.items()
        if upper == parent
    ]


def _user(person: PersonRecord) -> dict[str, Any]:
    return {
        "id": person.user_id,
        "name": person.name,
        "username": person.username,
        "email": person.email,
        "status": person.status,
        "sysDeptIds": list(person.departments),
    }


def _member(person: PersonRecord) -> dict[str, Any]:
    return {
        "id": f"member-{person.user_id}",
        "userId": person.user_id,
        "name": person.name,
        "email": person.email,
        "status": person.status.upper(),
        "deptIds": list(person.departments),
    }


def _page(entries: list[dict[str, Any]], quirks: Quirks, query: Mapping[str, str]) -> Answer:
    size = min(_MOST_PER_PAGE, _positive(query.get("perPage"), _MOST_PER_PAGE))
    asked = _positive(query.get("page"), 1)
    page = 1 if quirks.ignored_page else asked
    if page == quirks.failing_page:
        return Answer(500)
    pages = -(-len(entries) // size)
    shown = [] if page == quirks.empty_page else entries[(page - 1) * size : page * size]
    headers = {
        "x-page": str(asked),
        "x-per-page": str(size),
        "x-prev-page": str(asked - 1) if asked > 1 else "",
        "x-next-page": "1" if quirks.wrong_next_page else (str(asked + 1) if asked < pages else ""),
        "x-total": str(len(entries)),
        "x-total-pages": str(pages),
    }
    return Answer(200, shown, {} if quirks.no_page_headers else headers)


def _positive(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else otherwise
