"""What rows of a list must match, and how lists of entries are reduced to those that do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.model.permission import granted
from exporter.model.token import CredentialKind, TokenState
from exporter.model.user import Owner
from exporter.state.columns import lines, searchable, violated_by_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.model.state import Reason, UserState
    from exporter.state.columns import TokenColumns
    from exporter.state.violation_index import Mask

    Filter = Callable[[TokenColumns, Sequence[int]], Sequence[int]]

_NO_OWNER = Owner()


class PollStatus(StrEnum):
    """Whether a user can be polled, the most urgent first."""

    FAILING = "failing"
    PENDING = "pending"
    OK = "ok"

    @staticmethod
    def of(state: UserState) -> PollStatus:
        """The status of a user."""
        if state.failure is not None:
            return PollStatus.FAILING
        return PollStatus.OK if state.polled else PollStatus.PENDING


@dataclass(frozen=True, slots=True)
class Span:
    """A range of times in epoch seconds; the end is not included."""

    start: float = -math.inf
    end: float = math.inf

    @property
    def everything(self) -> bool:
        """Whether the range excludes nothing, not even unknown times."""
        return self.start == -math.inf and self.end == math.inf

    def contains(self, at: float | None) -> bool:
        """Whether a time is in the range. Only everything contains an unknown time, or never."""
        return self.everything or (at is not None and self.start <= at < self.end)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What rows must match; None and "" for anything.

    Attributes:
        text: part of a name, id, description, e-mail address or department; case does not matter.
        organization: the name of the organization.
        user: id or name of the user.
        owner: part of the e-mail address, account or name of the user; case does not matter.
        department: part of the name of the department; case does not matter.
        token_id: the id of the token.
        state: the state of the token.
        kind: the kind of credential.
        permission: a permission that the token grants; `X_read_write` grants `X_read` as well.
        policies: the names of policies of which one is violated; None for anything.
        expires: when the token expires.
        created: when the token was created.
        status: whether the user can be polled.
        reason: why the poll of the user fails.
    """

    text: str = ""
    organization: str | None = None
    user: str | None = None
    owner: str = ""
    department: str = ""
    token_id: str | None = None
    state: TokenState | None = None
    kind: CredentialKind | None = None
    permission: str | None = None
    policies: frozenset[str] | None = None
    expires: Span = Span()
    created: Span = Span()
    status: PollStatus | None = None
    reason: Reason | None = None

    @property
    def kinds(self) -> tuple[CredentialKind, ...]:
        """The kinds of credentials that can match."""
        if self.policies is not None:
            # Policies are about tokens.
            return () if self.kind is CredentialKind.SSH_KEY else (CredentialKind.TOKEN,)
        return tuple(CredentialKind) if self.kind is None else (self.kind,)

    @property
    def about_tokens(self) -> bool:
        """Whether something must match that only single tokens have."""
        return bool(
            self.state is not None
            or self.token_id is not None
            or self.permission is not None
            or not self.expires.everything
            or not self.created.everything
        )

    @property
    def about_users(self) -> bool:
        """Whether users must match something, apart from the text."""
        return bool(self.user is not None or self.owner or self.department or self.status or self.reason)

    def matches_user(self, state: UserState) -> bool:
        """Whether a user matches everything about users, apart from the text."""
        user = state.user
        owner = user.owner
        if self.user is not None and self.user not in {user.user_id, user.name}:
            return False
        known = _NO_OWNER if owner is None else owner
        if self.owner and not _in(self.owner, user.name, known.email, known.username):
            return False
        if self.department and not _in(self.department, known.department):
            return False
        if self.reason is not None and (state.failure is None or state.failure.reason is not self.reason):
            return False
        return self.status is None or PollStatus.of(state) is self.status


def _in(text: str, *fields: str | None) -> bool:
    part = searchable(text)
    return any(field is not None and part in searchable(field) for field in fields)


def filters(
    criteria: Criteria, users: bytearray | None, text_users: bytearray | None, masks: Sequence[Mask | None], bits: int
) -> Iterator[Filter]:
    """What reduces places in columns to those that match, apart from state and expiry, the cheapest first.

    Hundreds of thousands of tokens pass through, so each filter is one comprehension.

    Args:
        criteria: what to match.
        users: flags by slot of the users that match everything but the text; None if all do.
        text_users: flags by slot of the users that contain the text; None if none does.
        masks: the violations of users by slot.
        bits: the policies of which one must be violated.
    """
    if criteria.policies is not None:
        yield _violating(masks, bits)
    if criteria.permission is not None:
        yield _granting(criteria.permission)
    if criteria.token_id is not None:
        yield _with_text(searchable(criteria.token_id), None)
    if users is not None:
        yield lambda columns, at: _of_users(columns.slots, at, users)
    if not criteria.created.everything:
        start, end = criteria.created.start, criteria.created.end
        yield lambda columns, at: [i for i in at if start <= columns.created[i] < end]
    if criteria.text:
        yield _with_text(searchable(criteria.text), text_users)


def _granting(permission: str) -> Filter:
    known: dict[tuple[str, ...], bool] = {}

    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        every = columns.permissions.values
        for one in every:
            if one not in known:
                known[one] = permission in granted(one)
        return columns.permissions.where(at, [known[one] for one in every])

    return reduced


def _of_users(slots: Sequence[int], at: Sequence[int], users: bytearray) -> list[int]:
    return [i for i in at if users[slots[i]]]


def _violating(masks: Sequence[Mask | None], bits: int) -> Filter:
    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        violated = violated_by_tokens(columns, masks)
        return violated.where(at, [bool(one & bits) for one in violated.values])

    return reduced


def _with_text(text: bytes, users: bytearray | None) -> Filter:
    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        slots = columns.slots
        if text not in columns.text:
            return () if users is None else _of_users(slots, at, users)
        every = lines(columns.text)
        if users is not None:
            return [i for i in at if users[slots[i]] or text in every[i]]
        return [i for i in at if text in every[i]]

    return reduced
