"""Users, members, organizations and departments as the platform lists them, in both spellings of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exporter.yunxiao.wire import WireError, entries_of, object_of, read_json, text_of


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or a member of an organization.

    Attributes:
        user_id: the id that the token call needs.
        name: what to show; "" where the platform gives none.
        username: what the person signs in with; "" where it is not told.
        email: "" where it is not told.
        status: in lower case; "" where it is not told.
        departments: ids of the departments that the person is in directly, sorted.
    """

    user_id: str
    name: str = ""
    username: str = ""
    email: str = ""
    status: str = ""
    departments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Department:
    """A department.

    Attributes:
        name: the id where the platform gives none.
        has_children: False only where the platform says so.
    """

    department_id: str
    name: str
    has_children: bool = True


def parse_person(body: bytes) -> Person:
    """Read the answer of the caller's call.

    Raises:
        WireError: no user with an id.
    """
    person = _person(object_of(read_json(body), "user"), ("id", "userId", "user_id"))
    if person is None:
        raise WireError("a user without an id")
    return person


def parse_users(body: bytes) -> list[Person | None]:
    """Read a page of users; None stands for an entry without an id. Raises `WireError`."""
    return [_person(entry, ("id", "userId", "user_id")) for entry in entries_of(read_json(body), "users")]


def parse_members(body: bytes) -> list[Person | None]:
    """Read a page of members; None stands for an entry without a user id. Raises `WireError`.

    A member has an id of its own, which the token call does not know.
    """
    return [_person(entry, ("userId", "user_id")) for entry in entries_of(read_json(body), "members")]


def parse_organizations(body: bytes) -> list[str | None]:
    """Read a page of organizations: their ids; None for an entry without one. Raises `WireError`."""
    return [_field(entry, "id") or None for entry in entries_of(read_json(body), "organizations")]


def parse_departments(body: bytes) -> list[Department | None]:
    """Read a page of departments; None stands for an entry without an id. Raises `WireError`."""
    return [_department(entry) for entry in entries_of(read_json(body), "departments")]


def _person(entry: Any, id_fields: tuple[str, ...]) -> Person | None:
    user_id = _field(entry, *id_fields)
    if not user_id:
        return None
    departments = _first(entry, "sysDeptIds", "sys_dept_ids", "deptIds", "dept_ids")
    ids = {text_of(one) for one in departments} if isinstance(departments, list) else set()
    return Person(
        user_id=user_id,
        name=_field(entry, "name") or _field(entry, "nickName", "nick_name"),
        username=_field(entry, "username", "userName", "user_name"),
        email=_field(entry, "email"),
        status=_field(entry, "status").lower() or ("deleted" if _was_deleted(entry) else ""),
        departments=tuple(sorted(ids - {""})),
    )


def _was_deleted(entry: Any) -> bool:
    """Whether a time of deletion is told; the year 1 is Go's way to say that there is none."""
    at = _first(entry, "deletedAt", "deleted_at")
    return bool(at) and not str(at).startswith("0001-01-01")


def _department(entry: Any) -> Department | None:
    department_id = _field(entry, "id")
    if not department_id:
        return None
    has_children = _first(entry, "hasSub", "has_sub") is not False
    return Department(department_id, _field(entry, "name") or department_id, has_children)


def _first(entry: Any, *names: str) -> Any:
    """The first of these fields that is there."""
    if not isinstance(entry, dict):
        return None
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def _field(entry: Any, *names: str) -> str:
    """The first of these fields that holds something, as text."""
    return next((text for name in names if (text := text_of(_first(entry, name)))), "")
