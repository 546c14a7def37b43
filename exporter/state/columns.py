"""What filters and sorts read of many entries, side by side, so that hundreds of thousands take milliseconds.

A chunk of a sorted collection keeps its columns until one of its items changes.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from itertools import compress, repeat
from operator import contains
from typing import TYPE_CHECKING

from exporter.model.token import CredentialKind
from exporter.state.distinct import Distinct
from exporter.state.sorted_places import SortedPlaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.common.sorted_chunks import Chunk, SortedChunks
    from exporter.model.user import User
    from exporter.state.token_order import Entry
    from exporter.state.user_table import UserTable
    from exporter.state.violation_index import Mask

_FIELD = "\0"
_LINE = "\n"
_PART, _RARE = 8, 8
"""A text is rare if it occurs in an eighth of a column less than once for eight lines."""
LAST = "\U0010ffff"
"""Sorts after all text."""


@dataclass(slots=True)
class TokenColumns:
    """The columns of some tokens or SSH keys.

    Attributes:
        ids: a line for each, with its id in lower case, as `searchable` returns it.
        names: their names in lower case. Many are the same, such as those that a tool has made.
        descriptions: their descriptions in lower case.
        expires: when they expire, in epoch seconds; infinity if never, and if that is not known.
        created: when they were created, in epoch seconds; infinity if that is not known.
        permissions: their permissions.
        sizes: the numbers of their permissions.
        slots: the slots of their users.
        positions: their places among the credentials of their users.
        by_name: their places by name.
        by_user: by `whose` of the user.
        by_department: by the department of the user.
        by_created: by `created`.
        violated: the policies that they violate, as bits; None if that is not known (`violated_by_tokens`).
    """

    ids: str
    names: Distinct[str]
    descriptions: Distinct[str]
    expires: array[float]
    created: array[float]
    permissions: Distinct[tuple[str, ...]]
    sizes: Distinct[int]
    slots: array[int]
    positions: array[int]
    by_name: SortedPlaces
    by_user: SortedPlaces
    by_department: SortedPlaces
    by_created: SortedPlaces
    violated: Distinct[int] | None = None


def token_columns(chunk: Chunk[Entry], users: UserTable) -> TokenColumns:
    """The columns of a chunk of credentials of these users."""
    if isinstance(chunk.derived, TokenColumns):
        return chunk.derived
    created = array("d", [created_at(one) for one in chunk])
    columns = TokenColumns(
        ids=_joined([_line(one.token.token_id) for one in chunk]),
        names=Distinct([searchable(one.token.name) for one in chunk]),
        descriptions=Distinct([searchable(one.token.description) for one in chunk]),
        expires=array("d", [math.inf if (at := one.token.expires_at) is None else at for one in chunk]),
        created=created,
        permissions=Distinct([one.token.permissions for one in chunk]),
        sizes=Distinct([len(one.token.permissions) for one in chunk]),
        slots=array("I", [users.slot(one.user.user_id) for one in chunk]),
        positions=array("H", [one.position for one in chunk]),
        by_name=SortedPlaces([one.token.name for one in chunk]),
        by_user=SortedPlaces([whose(one.user) for one in chunk]),
        by_department=SortedPlaces([department(one.user) for one in chunk]),
        by_created=SortedPlaces(created),
        # Policies are about tokens.
        violated=None if chunk[0].token.kind is CredentialKind.TOKEN else Distinct([0] * len(chunk)),
    )
    chunk.derived = columns
    return columns


@dataclass(slots=True)
class UserColumns:
    """The columns of some users.

    Attributes:
        slots: their slots.
        by_user: their places by `whose`.
        by_department: by department.
        text: a line for each, with its name, id, e-mail address, account and departments in lower case, as `searchable`
            returns it; None if it was not asked for.
        violated: the policies that they violate as a whole, as bits; None if that is not known (`violated_by_users`).
    """

    slots: array[int]
    by_user: SortedPlaces
    by_department: SortedPlaces
    text: str | None = None
    violated: Distinct[int] | None = None


def user_columns(chunk: Chunk[User], users: UserTable) -> UserColumns:
    """The columns of a chunk of these users."""
    if isinstance(chunk.derived, UserColumns):
        return chunk.derived
    columns = UserColumns(
        array("I", [users.slot(user.user_id) for user in chunk]),
        SortedPlaces([whose(user) for user in chunk]),
        SortedPlaces([department(user) for user in chunk]),
    )
    chunk.derived = columns
    return columns


def violated_by_tokens(columns: TokenColumns, masks: Sequence[Mask | None]) -> Distinct[int]:
    """The policies that tokens violate, as bits; ``masks`` are the violations of users by slot."""
    if columns.violated is None:
        found = [(masks[slot], position) for slot, position in zip(columns.slots, columns.positions, strict=True)]
        columns.violated = Distinct([0 if mask is None else mask[position] for mask, position in found])
    return columns.violated


def violated_by_users(columns: UserColumns, masks: Sequence[Mask | None]) -> Distinct[int]:
    """The policies that users violate as a whole, as bits; ``masks`` are the violations of users by slot."""
    if columns.violated is None:
        columns.violated = Distinct([0 if (mask := masks[slot]) is None else mask[-1] for slot in columns.slots])
    return columns.violated


def _user_line(user: User) -> str:
    owner = user.owner
    known = () if owner is None else (owner.email, owner.username, owner.department)
    return _line(user.name, user.user_id, *(text for text in known if text))


def _line(*fields: str) -> str:
    text = _FIELD.join(fields).lower()
    return text.replace(_LINE, " ") if _LINE in text else text


def _joined(found: list[str]) -> str:
    return _bytewise(_LINE.join(found))


def _bytewise(text: str) -> str:
    """The text with a character for each byte of its UTF-8.

    One Chinese character in a string makes all others take two bytes. Bytes would be as small, but finding text in them
    takes twice as long.
    """
    # Text from JSON may contain halves of surrogate pairs.
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def created_at(entry: Entry) -> float:
    """When a credential was created, as it is sorted by; infinity if it is not known."""
    at = entry.token.created_at
    return math.inf if at is None else at


def department(user: User) -> str:
    """The department of a user, as it is sorted by; `LAST` if it is not known."""
    owner = user.owner
    return owner.department if owner is not None and owner.department else LAST


def whose(user: User) -> str:
    """What tokens are sorted by in the order by user: the id keeps apart the tokens of users with the same name."""
    return f"{user.name}\0{user.user_id}"


def searchable(text: str) -> str:
    """A text as it occurs in lines."""
    text = text.lower()
    if _LINE in text or _FIELD in text:
        text = text.replace(_LINE, " ").replace(_FIELD, " ")
    return _bytewise(text)


def lines(text: str) -> list[str]:
    """The lines of a column."""
    return text.split(_LINE)


def line_marks(column: str, text: str, size: int) -> bytes | bytearray:
    """A byte for each of a column's lines: 1 if it contains a text, else 0."""
    if column.count(text, 0, len(column) // _PART) * _PART * _RARE > size:
        return bytes(map(contains, lines(column), repeat(text)))
    # A few lines are found faster than all are split.
    marks = bytearray(size)
    line = begin = 0
    while (at := column.find(text, begin)) >= 0:
        line += column.count(_LINE, begin, at)
        marks[line] = 1
        line, begin = line + 1, column.find(_LINE, at) + 1
        if not begin:
            break
    return marks


def slots_with_text(order: SortedChunks[User], users: UserTable, text: str) -> list[int]:
    """The slots of users with a field that contains a text, as `searchable` returns it."""
    found: list[int] = []
    for chunk in order.chunks:
        columns = user_columns(chunk, users)
        every = columns.text
        if every is None:
            every = columns.text = _joined([_user_line(user) for user in chunk])
        if text in every:
            found += compress(columns.slots, line_marks(every, text, len(columns.slots)))
    return found


def flags(slots: Iterable[int], size: int) -> bytearray:
    """A flag for each slot, which is set for these."""
    found = bytearray(size)
    for slot in slots:
        found[slot] = 1
    return found
