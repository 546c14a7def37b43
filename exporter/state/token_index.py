"""Counts and sorted tokens of all organizations, for pages, lists and gauges."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, repeat
from typing import TYPE_CHECKING

from exporter.model.token import TokenState
from exporter.state.organization_index import Counts, OrganizationIndex
from exporter.state.token_order import Query, by_expiry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import UserState
    from exporter.model.token import CredentialKind
    from exporter.state.token_order import Entry, Found


Without = Callable[[str, "UserState"], bool]
"""Whether to leave out a user of an organization."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers and the first rows of all organizations, from one snapshot.

    Attributes:
        view: the snapshot.
        counts: the numbers of each of its organizations.
        soonest: the next tokens and SSH keys to expire.
        failing: the first users whose last poll failed, by name, with their organizations.
    """

    view: View
    counts: tuple[Counts, ...]
    soonest: tuple[Found, ...]
    failing: tuple[tuple[str, UserState], ...]


@dataclass(frozen=True, slots=True)
class WholeList:
    """All tokens and SSH keys of one snapshot.

    Attributes:
        parts: organizations, each with some of its credentials by expiry.
        left_out: the number of tokens that are only counted.
    """

    parts: tuple[tuple[str, list[Entry]], ...]
    left_out: int

    def by_expiry(self) -> Iterator[tuple[str, Entry]]:
        """The credentials by expiry, with their organizations."""
        pairs = [zip(repeat(name), entries) for name, entries in self.parts if entries]
        return pairs[0] if len(pairs) == 1 else heapq.merge(*pairs, key=lambda pair: by_expiry(*pair))


class TokenIndex:
    """Counts and sorted tokens of all organizations. Any thread may ask.

    Each question is answered from a new snapshot: what has changed since the last one is found by comparing the states
    of users by identity, which takes milliseconds for 100,000 users, and nothing if there is no change. So it needs no
    updates and cannot miss any, whatever replaces states: polls, reloads, other replicas.

    Args:
        view: makes a snapshot.
    """

    def __init__(self, view: Callable[[], View]) -> None:
        self._view = view
        # Guards the index of each organization, by name. Held while a question is answered.
        self._lock = threading.Lock()
        self._organizations: dict[str, OrganizationIndex] = {}

    def refresh(self) -> None:
        """Bring the index up to date, so that the next question finds little to do.

        Organizations before the end of their first sweep are left for later: to sort everything once takes less work
        than to add user after user.
        """
        with self._lock:
            view = self._view()
            self._update(view, [one for one in view.organizations if one.sweep is not None])

    def _current(self) -> View:
        """A new snapshot, which the index shows. Requires the lock."""
        view = self._view()
        self._update(view, view.organizations)
        return view

    def _update(self, view: View, organizations: Iterable[OrganizationView]) -> None:
        """Show these organizations of a snapshot, and none that is not in it. Requires the lock."""
        known = self._organizations
        self._organizations = {one.name: known[one.name] for one in view.organizations if one.name in known}
        for one in organizations:
            # Taken out while it changes: after a defect it is made from the whole snapshot.
            index = self._organizations.pop(one.name, None) or OrganizationIndex(one.name)
            index.update(one)
            self._organizations[one.name] = index

    def page(self, query: Query, now: float) -> tuple[Found, ...]:
        """The first rows that a query finds.

        Args:
            query: which tokens, in which order.
            now: epoch seconds; decides on the states of tokens.
        """
        with self._lock:
            self._current()
            return tuple(islice(self._found(query, now), query.limit))

    def _found(self, query: Query, now: float) -> Iterator[Found]:
        wanted = [one for name, one in self._organizations.items() if query.organization in {None, name}]
        return heapq.merge(*(one.page(query, now) for one in wanted), key=lambda found: found.key)

    def overview(
        self, now: float, stale_after: float, *, soonest: int, failing: int, without: Without = lambda *_: False
    ) -> Overview:
        """The numbers and first rows of all organizations.

        Args:
            now: epoch seconds.
            stale_after: seconds from which the last successful poll of a user is too long ago.
            soonest: how many of the next credentials to expire.
            failing: how many of the failing users.
            without: whether to leave a user of an organization out of the rows; the user is counted.
        """
        with self._lock:
            view = self._current()
            active = self._found(Query(state=TokenState.ACTIVE, limit=soonest), now)
            failed = ((name, state) for name, one in self._organizations.items() for state in one.failing())
            return Overview(
                view,
                tuple([one.counts(now, stale_after) for one in self._organizations.values()]),
                tuple(islice((row for row in active if not without(row.organization, row.state)), soonest)),
                tuple(islice((pair for pair in failed if not without(*pair)), failing)),
            )

    def expiring(self, kind: CredentialKind, within: float, now: float) -> dict[str, int]:
        """The number of active credentials of a kind that expire within so many seconds, by organization."""
        with self._lock:
            self._current()
            return {name: one.expiring(kind, within, now) for name, one in self._organizations.items()}

    def whole_list(self) -> WholeList:
        """The list of all credentials. It takes the memory of two references for each, and no lock while it is read."""
        with self._lock:
            self._current()
            return WholeList(
                tuple([(name, found) for name, one in self._organizations.items() for found in one.all_by_expiry()]),
                sum(one.tokens_left_out for one in self._organizations.values()),
            )
