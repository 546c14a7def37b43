"""Counts and sorted tokens of one organization, brought up to date with each snapshot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from exporter.common.sorted_chunks import SortedChunks
from exporter.model.token import CredentialKind, TokenState
from exporter.model.user import User
from exporter.state.columns import (
    TokenColumns,
    UserColumns,
    token_columns,
    user_columns,
    violated_by_tokens,
    violated_by_users,
)
from exporter.state.contents import Contents
from exporter.state.credential_order import CredentialOrder
from exporter.state.facets import Facets
from exporter.state.token_order import entries, user_key
from exporter.state.user_table import UserTable
from exporter.state.violation_index import ViolationIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.common.sorted_chunks import Chunk
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.policies.schema import Policies
    from exporter.state.credential_order import Change
    from exporter.state.token_order import Entry

Item = TypeVar("Item")
_FEW = 4
"""If there are fewer chunks than so many for each changed user, the violations of all chunks are collected again."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of one organization.

    Attributes:
        users: watched users.
        pending: users that have not been polled yet.
        failing: users whose last poll failed.
        stale: users whose last successful poll is too long ago.
        cut: users with more tokens than are kept.
        tokens: tokens by state, without SSH keys; those that are not kept are included.
        oldest: epoch seconds of the oldest of the last successful polls of users; None before the first.
    """

    users: int
    pending: int
    failing: int
    stale: int
    cut: int
    tokens: dict[TokenState, int]
    oldest: float | None = None


class OrganizationIndex:
    """Counts and sorted tokens of one organization. For one thread at a time.

    Args:
        name: the organization.
        defect: called for each user that cannot be checked against the policies.
    """

    def __init__(self, name: str, defect: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._view: OrganizationView | None = None
        self._states = UserTable()
        self._users = SortedChunks[User](partial(user_key, name))
        self._successes = SortedChunks[float](lambda at: (at,))
        self._orders = {kind: CredentialOrder(name, kind) for kind in CredentialKind}
        self._violations = ViolationIndex(self._states, defect)
        self.facets = Facets()
        self._pending = self._failing = self._cut = 0
        self._left_out: Counter[TokenState] = Counter()

    def update(self, view: OrganizationView) -> None:
        """Show this snapshot. The cost follows what has changed, but for a comparison of all users by identity.

        After an exception the index must not be used any more.
        """
        if view is self._view:
            return
        every = self._changes(view)
        # Most polls find what is known already.
        changes = [(old, new) for old, new in every if old is None or new is None or not _same(old, new)]
        self._violations.change(changes)
        for before, after in every:
            if before is not None:
                self._count(before, -1)
            if after is not None:
                self._count(after, 1)
                self._states.put(after)
            elif before is not None:
                self._states.remove(before.user.user_id)
        _change(self._successes, every, view.users, lambda state: state.last_success)
        _change(self._users, changes, view.users, lambda state: state.user)
        for order in self._orders.values():
            order.change(changes, view.users)
        self.facets.change(changes)
        self._view = view

    def _changes(self, view: OrganizationView) -> list[Change]:
        shown = () if self._view is None else self._view.users
        # A state that is the same object at the same place has not changed.
        others = [new for old, new in zip_longest(shown, view.users) if new is not old and new is not None]
        known = [self._states.get(new.user.user_id) for new in others]
        changes: list[Change] = [(old, new) for old, new in zip(known, others, strict=True) if old is not new]
        if len(self._states) + sum(old is None for old, _ in changes) > len(view.users):
            removed = self._states.keys() - {state.user.user_id for state in view.users}
            changes += [(self._states[user_id], None) for user_id in removed]
        return changes

    def _count(self, state: UserState, sign: int) -> None:
        if not state.polled:
            self._pending += sign
        if state.failure is not None:
            self._failing += sign
        if state.left_out:
            self._cut += sign
            for token_state, count in state.left_out:
                self._left_out[token_state] += sign * count

    def counts(self, now: float, stale_after: float) -> Counts:
        """The numbers at a time.

        Args:
            now: epoch seconds.
            stale_after: seconds from which the last successful poll is too long ago.
        """
        tokens = self._orders[CredentialKind.TOKEN]
        return Counts(
            users=len(self._users),
            pending=self._pending,
            failing=self._failing,
            stale=self._successes.leading(lambda at: now - at > stale_after),
            cut=self._cut,
            tokens={state: tokens.count(state, now) + self._left_out[state] for state in TokenState},
            oldest=next(iter(self._successes), None),
        )

    def evaluate(self, policies: Policies, now: float, most: int) -> bool:
        """Find the violations of users for which they are not known; whether all are known after that.

        Args:
            policies: the configured policies.
            now: epoch seconds.
            most: the number of users to evaluate at most.
        """
        self._violations.use(policies)
        self._violations.advance(now, most)
        return self._violations.complete

    def prepare(self, most: int) -> bool:
        """Make the columns of chunks that have none; whether all have them after that.

        Args:
            most: the number of chunks at most.
        """
        self._forget_violations()
        left, masks = most, self._violations.masks
        for order in self._orders.values():
            for tokens in order.chunks:
                known = tokens.derived
                if not isinstance(known, TokenColumns) or known.violated is None:
                    if not left:
                        return False
                    violated_by_tokens(token_columns(tokens, self._states), masks)
                    left -= 1
        for users in self._users.chunks:
            of_users = users.derived
            if not isinstance(of_users, UserColumns) or of_users.violated is None:
                if not left:
                    return False
                violated_by_users(user_columns(users, self._states), masks)
                left -= 1
        return True

    def _forget_violations(self) -> None:
        """Drop the columns of violations that have changed."""
        changed, tokens = self._violations.changed(), self._orders[CredentialKind.TOKEN]
        chunks: list[Chunk[Entry] | Chunk[User]]
        if changed is None or len(changed) * _FEW > len(tokens.chunks):
            chunks = [*tokens.chunks, *self._users.chunks]
        else:
            states = [state for user_id in changed if (state := self._states.get(user_id)) is not None]
            chunks = [self._users.chunk_of(state.user) for state in states]
            chunks += [tokens.chunk_of(one) for state in states for one in entries(state, CredentialKind.TOKEN)]
        for chunk in chunks:
            if isinstance(columns := chunk.derived, (TokenColumns, UserColumns)):
                columns.violated = None

    def contents(self) -> Contents:
        """All that can be searched. Valid until the next update."""
        self._forget_violations()
        found = self._violations
        return Contents(
            self._name,
            self._states,
            self._users,
            self._orders,
            found.masks,
            found.policies,
            found.complete,
            {policy: found.count(policy) for policy in found.policies.configured},
        )

    @property
    def tokens_left_out(self) -> int:
        """The number of tokens that are only counted."""
        return self._left_out.total()

    def expiring(self, kind: CredentialKind, within: float, now: float) -> int:
        """The number of active credentials of a kind that expire within so many seconds."""
        return self._orders[kind].expiring(within, now)

    def all_by_expiry(self) -> list[list[Entry]]:
        """All credentials, one list for each kind, as lists of their own."""
        return [order.copy() for order in self._orders.values()]


def _same(before: UserState, after: UserState) -> bool:
    """Whether user, credentials and failure are the same objects, and as many tokens are only counted."""
    return (
        before.user is after.user
        and before.tokens is after.tokens
        and before.ssh_keys is after.ssh_keys
        and before.failure is after.failure
        and before.left_out == after.left_out
    )


def _change(
    order: SortedChunks[Item],
    changes: list[Change],
    users: Sequence[UserState],
    item: Callable[[UserState], Item | None],
) -> None:
    """Replace what users have in an order; ``item`` gives it, None for nothing."""
    removed, added = [], []
    for before, after in changes:
        old, new = None if before is None else item(before), None if after is None else item(after)
        if old is not new:
            removed += [] if old is None else [old]
            added += [] if new is None else [new]
    if removed or added:
        order.change(removed, added, (found for state in users if (found := item(state)) is not None))
