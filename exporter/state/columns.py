"""What filters and sorts read of many entries, side by side, so that hundreds of thousands take milliseconds.

A chunk of a sorted collection keeps its columns until one of its items changes.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.state.sorted_places import SortedPlaces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.common.sorted_chunks import Chunk, SortedChunks
    from exporter.model.user import User
    from exporter.state.token_order import Entry
    from exporter.state.user_table import UserTable

_FIELD = "\0"
_LINE = "\n"
_LINE_BYTE = b"\n"
LAST = "\U0010ffff"
"""Sorts after all text."""


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """The columns of some tokens or SSH keys.

    Attributes:
        text: a line for each, with its name, id and description in lower case, in UTF-8: a string with one
            Chinese character takes two bytes for every character.
        created: epoch seconds; infinity if unknown.
        combinations: the different combinations of permissions.
        combination: the place of each one's combination among them.
        slots: the slots of their users.
        positions: their places among the credentials of their users.
        names: their names.
        user_names: the names of their users.
        departments: the departments of their users; `LAST` if not known.
        by_name: their places by name.
        by_user_name: by the name of the user.
        by_department: by the department of the user.
    """

    text: bytes
    created: array[float]
    combinations: tuple[tuple[str, ...], ...]
    combination: array[int]
    slots: array[int]
    positions: array[int]
    names: list[str]
    user_names: list[str]
    departments: list[str]
    by_name: SortedPlaces
    by_user_name: SortedPlaces
    by_department: SortedPlaces

    @property
    def sizes(self) -> list[float]:
        """The number of permissions in each combination."""
        return [float(len(one)) for one in self.combinations]


def token_columns(chunk: Chunk[Entry], users: UserTable) -> TokenColumns:
    """The columns of a chunk of credentials of these users."""
    if isinstance(chunk.derived, TokenColumns):
        return chunk.derived
    found: dict[tuple[str, ...], int] = {}
    combination = array("H", [found.setdefault(one.token.permissions, len(found)) for one in chunk])
    names, user_names = [one.token.name for one in chunk], [one.user.name for one in chunk]
    departments = [department(one.user) for one in chunk]
    columns = TokenColumns(
        _joined([_line(one.token.name, one.token.token_id, one.token.description) for one in chunk]),
        array("d", [math.inf if (at := one.token.created_at) is None else at for one in chunk]),
        tuple(found),
        combination,
        array("I", [users.slot(one.user.user_id) for one in chunk]),
        array("H", [one.position for one in chunk]),
        names,
        user_names,
        departments,
        SortedPlaces(names),
        SortedPlaces(user_names),
        SortedPlaces(departments),
    )
    chunk.derived = columns
    return columns


@dataclass(frozen=True, slots=True)
class _UserColumns:
    """The columns of some users.

    Attributes:
        text: a line for each, with its name, id, e-mail address, account and departments in lower case, in UTF-8.
        slots: their slots.
    """

    text: bytes
    slots: array[int]


def _user_columns(chunk: Chunk[User], users: UserTable) -> _UserColumns:
    if isinstance(chunk.derived, _UserColumns):
        return chunk.derived
    text = _joined([_user_line(user) for user in chunk])
    columns = _UserColumns(text, array("I", [users.slot(user.user_id) for user in chunk]))
    chunk.derived = columns
    return columns


def _user_line(user: User) -> str:
    owner = user.owner
    known = () if owner is None else (owner.email, owner.username, owner.department)
    return _line(user.name, user.user_id, *(text for text in known if text))


def _line(*fields: str) -> str:
    text = _FIELD.join(fields).lower()
    return text.replace(_LINE, " ") if _LINE in text else text


def _joined(found: list[str]) -> bytes:
    return _utf8(_LINE.join(found))


def _utf8(text: str) -> bytes:
    # Text from JSON may contain halves of surrogate pairs.
    return text.encode("utf-8", "surrogatepass")


def department(user: User) -> str:
    """The department of a user, as it is sorted by; `LAST` if it is not known."""
    owner = user.owner
    return owner.department if owner is not None and owner.department else LAST


def searchable(text: str) -> bytes:
    """A text as it occurs in lines."""
    return _utf8(text.lower().replace(_LINE, " ").replace(_FIELD, " "))


def lines(text: bytes) -> list[bytes]:
    """The lines of a column."""
    return text.split(_LINE_BYTE)


def slots_with_text(order: SortedChunks[User], users: UserTable, text: bytes) -> list[int]:
    """The slots of users with a field that contains a text, as `searchable` returns it."""
    found: list[int] = []
    for chunk in order.chunks:
        columns = _user_columns(chunk, users)
        if text in columns.text:
            found += [slot for slot, line in zip(columns.slots, lines(columns.text), strict=True) if text in line]
    return found


def flags(slots: Iterable[int], size: int) -> bytearray:
    """A flag for each slot, which is set for these."""
    found = bytearray(size)
    for slot in slots:
        found[slot] = 1
    return found
