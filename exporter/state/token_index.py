"""Counts and sorted tokens of all organizations, for pages, lists and gauges."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

from exporter.policies.schema import Policies
from exporter.state.facets import Facets
from exporter.state.organization_index import Counts, OrganizationIndex
from exporter.state.token_order import by_expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.token import CredentialKind
    from exporter.state.contents import Contents
    from exporter.state.token_order import Entry

Answer = TypeVar("Answer")
_EVALUATED = 500
"""Users of an organization whose violations are evaluated at a time: some milliseconds."""
_CHUNKS = 8
"""Chunks whose columns are made at a time, for the same reason."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers of all organizations, from one snapshot.

    Attributes:
        view: the snapshot.
        counts: the numbers of each of its organizations.
    """

    view: View
    counts: tuple[Counts, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All organizations at one moment, ready for searches.

    Attributes:
        view: the snapshot.
        contents: what can be searched, of each of its organizations.
    """

    view: View
    contents: tuple[Contents, ...]


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
        policies: the configured policies.
        defect: called for each user that cannot be checked against the policies.
    """

    def __init__(
        self,
        view: Callable[[], View],
        policies: Callable[[], Policies] = Policies,
        defect: Callable[[], None] = lambda: None,
    ) -> None:
        self._view = view
        self._defect = defect
        self._policies = policies
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

    def prepare(self, now: float) -> None:
        """Refresh, find violations that are not known yet, and make columns, so that the next question finds them.

        A few at a time, so that questions meanwhile are not delayed.
        """
        self.refresh()
        ready = False
        while not ready:
            with self._lock:
                ready = self._evaluate(now) and all(one.prepare(_CHUNKS) for one in self._organizations.values())

    def _evaluate(self, now: float) -> bool:
        """Evaluate some users of each organization; whether all have been. Requires the lock."""
        policies = self._policies()
        complete = [one.evaluate(policies, now, _EVALUATED) for one in self._organizations.values()]
        return all(complete)

    def read(self, question: Callable[[Snapshot], Answer], now: float) -> Answer:
        """Answer a question from everything that can be searched.

        Args:
            question: called with all organizations, which it must not keep: they change after that.
            now: epoch seconds.
        """
        with self._lock:
            view = self._current()
            self._evaluate(now)
            return question(Snapshot(view, tuple([one.contents() for one in self._organizations.values()])))

    def facets(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The permissions and the departments that occur most, by name."""
        with self._lock:
            every = [one.facets for one in self._organizations.values()]
            return Facets.names(one.permissions for one in every), Facets.names(one.departments for one in every)

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
            index = self._organizations.pop(one.name, None) or OrganizationIndex(one.name, self._defect)
            index.update(one)
            self._organizations[one.name] = index

    def overview(self, now: float, stale_after: float) -> Overview:
        """The numbers of all organizations.

        Args:
            now: epoch seconds.
            stale_after: seconds from which the last successful poll of a user is too long ago.
        """
        with self._lock:
            view = self._current()
            return Overview(view, tuple([one.counts(now, stale_after) for one in self._organizations.values()]))

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
