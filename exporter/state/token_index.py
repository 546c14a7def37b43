"""Counts and sorted tokens of all organizations, for pages, lists and gauges."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from itertools import islice, repeat
from typing import TYPE_CHECKING

from exporter.model.token import TokenState
from exporter.state.organization_index import Counts, OrganizationIndex
from exporter.state.token_order import Query, by_expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from exporter.model.snapshot import View
    from exporter.model.state import UserState
    from exporter.model.user import UserKey
    from exporter.state.token_order import Entry, Found


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
        """Bring the index up to date, so that the next question finds little to do."""
        with self._lock:
            self._update()

    def _update(self) -> View:
        view = self._view()
        for name in self._organizations.keys() - {one.name for one in view.organizations}:
            del self._organizations[name]
        for one in view.organizations:
            # Taken out while it changes: after a defect it is made from the whole snapshot.
            index = self._organizations.pop(one.name, None) or OrganizationIndex(one.name)
            index.update(one)
            self._organizations[one.name] = index
        return view

    def page(self, query: Query, now: float) -> tuple[Found, ...]:
        """The first rows that a query finds.

        Args:
            query: which tokens, in which order.
            now: epoch seconds; decides on the states of tokens.
        """
        with self._lock:
            self._update()
            return tuple(islice(self._found(query, now), query.limit))

    def _found(self, query: Query, now: float) -> Iterator[Found]:
        asked = [one for name, one in self._organizations.items() if query.organization in {None, name}]
        return heapq.merge(*(one.page(query, now) for one in asked), key=lambda found: found.key)

    def overview(
        self, now: float, stale_after: float, *, soonest: int, failing: int, without: Container[UserKey] = ()
    ) -> Overview:
        """The numbers and first rows of all organizations.

        Args:
            now: epoch seconds.
            stale_after: seconds from which the last successful poll of a user is too long ago.
            soonest: how many of the next credentials to expire.
            failing: how many of the failing users.
            without: users that are in no row; they are counted.
        """
        with self._lock:
            view = self._update()
            active = self._found(Query(state=TokenState.ACTIVE, limit=soonest), now)
            broken = ((name, state) for name, one in self._organizations.items() for state in one.failing())
            return Overview(
                view,
                tuple([one.counts(now, stale_after) for one in self._organizations.values()]),
                tuple(islice((row for row in active if _key(row.organization, row.state) not in without), soonest)),
                tuple(islice((pair for pair in broken if _key(*pair) not in without), failing)),
            )

    def whole_list(self) -> WholeList:
        """The list of all credentials. It takes the memory of two references for each, and no lock while it is read."""
        with self._lock:
            self._update()
            return WholeList(
                tuple([(name, found) for name, one in self._organizations.items() for found in one.all_by_expiry()]),
                sum(one.tokens_left_out for one in self._organizations.values()),
            )


def _key(organization: str, state: UserState) -> UserKey:
    return organization, state.user.user_id
