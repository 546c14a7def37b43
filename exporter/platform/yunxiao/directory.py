"""Reads users, members, organizations and departments from answers, in both spellings of the fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.platform.yunxiao.envelope import object_of
from exporter.platform.yunxiao.fields import DEPARTMENTS, ID_LENGTH, USER_TEXT, Fields, text_of
from exporter.platform.yunxiao.json_body import WireError, read_json
from exporter.platform.yunxiao.pieces import PIECE, EntryReader

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER_IDS = ("id", "userId", "user_id")
_MEMBER_IDS = ("userId", "user_id")
_NAMES = ("name", "nickName", "nick_name")
_USERNAMES = ("username", "userName", "user_name")
_DEPARTMENTS = ("sysDeptIds", "sys_dept_ids", "deptIds", "dept_ids")
_DELETED_AT = ("deletedAt", "deleted_at")
_NO_TIME = re.compile(r"|(?:000[01]|1970)-.*|-\d+|[+-]?0+(?:\.0*)?|null|none|never|-", re.IGNORECASE | re.ASCII)
_PERSON = (*_USER_IDS, *_NAMES, *_USERNAMES, "email", "status", *_DEPARTMENTS, *_DELETED_AT)
_HAS_CHILDREN = ("hasSub", "has_sub")
_ANYTHING = msgspec.json.Decoder(list[Any])
_USERS = EntryReader("users", _ANYTHING, _PERSON)
_MEMBERS = EntryReader("members", _ANYTHING, _PERSON)
_ORGANIZATIONS = EntryReader("organizations", _ANYTHING, ("id",))
_DEPARTMENT_LIST = EntryReader("departments", _ANYTHING, ("id", "name", *_HAS_CHILDREN))


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or a member of an organization.

    Attributes:
        user_id: the id that the token call needs.
        name: the name to show; "" if it is missing.
        username: the login name; "" if it is missing.
        email: "" if it is missing.
        status: in lower case; "" if it is missing.
        departments: ids of the departments that the person belongs to directly, sorted.
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
        name: the id if there is no name.
        has_children: False only if the platform says so.
    """

    department_id: str
    name: str
    has_children: bool = True


def parse_person(body: bytes, fields: Fields | None = None) -> Person:
    """Read a single user.

    Raises:
        WireError: it is not a user with an id.
    """
    if len(body) > PIECE:
        raise WireError(f"larger than {PIECE // 1024} KiB, too large for one user")
    person = _person(object_of(read_json(body), "user"), _USER_IDS, fields or Fields())
    if person is None:
        raise WireError("a user without an id")
    return person


def parse_users(body: bytes, fields: Fields) -> list[Person | None]:
    """Read a page of users; None stands for an entry without an id. Raises `WireError`."""
    return [_person(entry, _USER_IDS, fields) for entry in _entries(_USERS, body)]


def parse_members(body: bytes, fields: Fields) -> list[Person | None]:
    """Read a page of members; None stands for an entry without a user id. Raises `WireError`.

    A member also has an id of its own, which is not the user's.
    """
    return [_person(entry, _MEMBER_IDS, fields) for entry in _entries(_MEMBERS, body)]


def parse_organizations(body: bytes, _: Fields) -> list[str | None]:
    """Read a page of organizations: their ids; None for an entry without one. Raises `WireError`."""
    return [_id(entry, "id") or None for entry in _entries(_ORGANIZATIONS, body)]


def parse_departments(body: bytes, fields: Fields) -> list[Department | None]:
    """Read a page of departments; None stands for an entry without an id. Raises `WireError`."""
    return [_department(entry, fields) for entry in _entries(_DEPARTMENT_LIST, body)]


def _entries(reader: EntryReader[Any], body: bytes) -> Iterator[Any]:
    for batch in reader.batches(body):
        yield from batch


def _person(entry: Any, id_fields: tuple[str, ...], fields: Fields) -> Person | None:
    user_id = _id(entry, *id_fields)
    if not user_id:
        return None
    listed = _first(entry, *_DEPARTMENTS)
    ids = sorted({one for one in map(_id_text, listed) if one}) if isinstance(listed, list) else []
    if len(ids) > DEPARTMENTS:
        fields.count(USER_TEXT.field, len(ids) - DEPARTMENTS)
    return Person(
        user_id=user_id,
        name=_shown(entry, fields, "name") or _shown(entry, fields, "nickName", "nick_name"),
        username=_shown(entry, fields, *_USERNAMES),
        email=_shown(entry, fields, "email"),
        status=_shown(entry, fields, "status").lower() or ("deleted" if _was_deleted(entry) else ""),
        departments=tuple(ids[:DEPARTMENTS]),
    )


def _was_deleted(entry: Any) -> bool:
    """Whether there is a time of deletion; zero values of languages and databases mean none."""
    at = _first(entry, *_DELETED_AT)
    if isinstance(at, str):
        return _NO_TIME.fullmatch(at.strip()) is None
    return isinstance(at, (int, float)) and at > 0


def _department(entry: Any, fields: Fields) -> Department | None:
    department_id = _id(entry, "id")
    if not department_id:
        return None
    has_children = _first(entry, *_HAS_CHILDREN) is not False
    return Department(department_id, _shown(entry, fields, "name") or department_id, has_children)


def _first(entry: Any, *names: str) -> Any:
    """The value of the first of these fields that is present."""
    if not isinstance(entry, dict):
        return None
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def _id(entry: Any, *names: str) -> str:
    """The first of these fields with a usable id; "" if there is none."""
    return next((text for name in names if (text := _id_text(_first(entry, name)))), "")


def _id_text(value: Any) -> str:
    """An id as text; "" if it is not an id, or too long: when cut, it could be the id of another user."""
    text = text_of(value)
    return text if len(text) <= ID_LENGTH else ""


def _shown(entry: Any, fields: Fields, *names: str) -> str:
    """The first of these fields that is not empty, as text that is safe to show."""
    return next((text for name in names if (text := fields.shown(_first(entry, name), USER_TEXT))), "")
