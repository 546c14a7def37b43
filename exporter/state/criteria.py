"""What rows of a list must match, and how lists of entries are reduced to those that do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import TYPE_CHECKING

from exporter.model.permission import granted
from exporter.model.token import CredentialKind, TokenState
from exporter.state.columns import line_marks, searchable, violated_by_tokens
from exporter.state.distinct import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.model.state import Reason, UserState
    from exporter.state.columns import TokenColumns
    from exporter.state.violation_index import Mask

    Check = Callable[[UserState], bool]
    Filter = Callable[[TokenColumns, Sequence[int]], Sequence[int]]


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

    def user_checks(self) -> Iterator[Check]:
        """Checks that a user must all pass to match everything about users, apart from the text.

        They are made once, since they may be asked about all users.
        """
        name_or_id, status, reason = self.user, self.status, self.reason
        if name_or_id is not None:
            yield lambda state: name_or_id in {state.user.user_id, state.user.name}
        if status is not None:
            yield lambda state: PollStatus.of(state) is status
        if reason is not None:
            yield lambda state: state.failure is not None and state.failure.reason is reason
        if self.owner:
            yield _names_contact(searchable(self.owner))
        if self.department:
            yield _in_department(searchable(self.department))


def _names_contact(text: str) -> Check:
    def check(state: UserState) -> bool:
        owner = state.user.owner
        if text in searchable(state.user.name):
            return True
        return owner is not None and any(text in searchable(one) for one in (owner.email, owner.username) if one)

    return check


def _in_department(text: str) -> Check:
    def check(state: UserState) -> bool:
        owner = state.user.owner
        return owner is not None and bool(owner.department) and text in searchable(owner.department or "")

    return check


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
        yield _with_id(searchable(criteria.token_id))
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
    if len(at) == len(slots):
        return [*compress(at, map(users.__getitem__, slots))]
    return [i for i in at if users[slots[i]]]


def _violating(masks: Sequence[Mask | None], bits: int) -> Filter:
    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        violated = violated_by_tokens(columns, masks)
        return violated.where(at, [bool(one & bits) for one in violated.values])

    return reduced


def _with_id(text: str) -> Filter:
    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        if text not in columns.ids:
            return ()
        return marked(at, line_marks(columns.ids, text, len(columns.slots)))

    return reduced


def _with_text(text: str, users: bytearray | None) -> Filter:
    def reduced(columns: TokenColumns, at: Sequence[int]) -> Sequence[int]:
        size = len(columns.slots)
        # A byte for each place and each way to match, as numbers, so that all are combined at once.
        found = 0
        for column in (columns.names, columns.descriptions):
            fits = [text in one for one in column.values]
            if any(fits):
                found |= int.from_bytes(column.marks(fits))
        if text in columns.ids:
            found |= int.from_bytes(line_marks(columns.ids, text, size))
        if users is not None:
            found |= int.from_bytes(bytes(map(users.__getitem__, columns.slots)))
        if not found:
            return ()
        return marked(at, found.to_bytes(size))

    return reduced
