"""The tokens of one organization, or its SSH keys, by expiry."""

from __future__ import annotations

from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING

from exporter.common.sorted_chunks import SortedChunks
from exporter.model.token import TokenState
from exporter.state.token_order import LAST_DATE, RANK, Entry, by_expiry, entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.common.sorted_chunks import Chunk
    from exporter.model.state import UserState
    from exporter.model.token import CredentialKind, Token
    from exporter.model.user import User
    from exporter.state.criteria import Span

Change = tuple["UserState | None", "UserState | None"]
"""The state of a user before and after; None for a user that was not watched before, or is not any more."""


class CredentialOrder:
    """The credentials of one kind by expiry.

    The state of a credential follows from its expiry and the time of a question. All in one state are neighbours, so
    they are counted by bisection, and no work is due when time passes.

    Args:
        organization: whose they are.
        kind: the kind of credentials.
    """

    def __init__(self, organization: str, kind: CredentialKind) -> None:
        self._kind = kind
        self._sorted = SortedChunks[Entry](partial(by_expiry, organization))

    def change(self, changes: Iterable[Change], users: Iterable[UserState]) -> None:
        """Replace the credentials of some users.

        Args:
            changes: the states before and after.
            users: the states of all users after that.
        """
        removed: list[Entry] = []
        added: list[Entry] = []
        for before, after in changes:
            # Credentials that have not changed are the same objects.
            same = before is not None and after is not None and before.user is after.user
            old = () if before is None else before.of_kind(self._kind)
            new = () if after is None else after.of_kind(self._kind)
            if same and old is new:
                continue
            if before is not None:
                removed += _entries(before.user, old, new if same else ())
            if after is not None:
                added += _entries(after.user, new, old if same else ())
        if not removed and not added:
            return
        self._sorted.change(removed, added, (one for state in users for one in entries(state, self._kind)))

    def count(self, state: TokenState, now: float) -> int:
        """The number of credentials in a state."""
        first = self._sorted.leading(lambda entry: RANK[entry.token.state(now)] < RANK[state])
        return self._sorted.leading(lambda entry: RANK[entry.token.state(now)] <= RANK[state]) - first

    def expiring(self, within: float, now: float) -> int:
        """The number of active credentials that expire within so many seconds."""
        return max(0, self.count(TokenState.EXPIRED, now + within) - self.count(TokenState.EXPIRED, now))

    def copy(self) -> list[Entry]:
        """All credentials in order, as a list of their own."""
        return self._sorted.copy()

    def matching(self, state: TokenState | None, expires: Span, now: float) -> list[tuple[Chunk[Entry], range]]:
        """The credentials in a state whose expiry is in a range, by expiry, as chunks with places in them.

        Those whose expiry is not known or never may be among them if the range has no end.

        Args:
            state: the state; None for any.
            expires: the range.
            now: epoch seconds.
        """
        rank = None if state is None else RANK[state]

        def before(one: Entry) -> bool:
            if rank is not None and RANK[one.token.state(now)] < rank:
                return True
            return _sorted_expiry(one) < expires.start

        def until(one: Entry) -> bool:
            if rank is not None and RANK[one.token.state(now)] > rank:
                return False
            return expires.everything or _sorted_expiry(one) < min(expires.end, LAST_DATE)

        return [*self._sorted.between(before, until)]

    @property
    def chunks(self) -> list[Chunk[Entry]]:
        """All credentials in order, in chunks."""
        return self._sorted.chunks

    def chunk_of(self, entry: Entry) -> Chunk[Entry]:
        """The chunk with a credential."""
        return self._sorted.chunk_of(entry)


def _sorted_expiry(one: Entry) -> float:
    return LAST_DATE if one.token.expires_at is None else one.token.expires_at


def _entries(user: User, credentials: tuple[Token, ...], others: tuple[Token, ...]) -> list[Entry]:
    """The entries of a user's credentials, without those that are among the others at the same place."""
    pairs = zip(credentials, chain(others, repeat(None)), strict=False)
    return [Entry(user, one, position) for position, (one, other) in enumerate(pairs) if one is not other]
