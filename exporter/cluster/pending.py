"""Changes that wait to be published to Redis, collected from any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState

_MOST_REMOVED = 10_000
"""Removed users that are remembered one by one while Redis is away; if there are more, all records are compared."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to publish.

    Attributes:
        states: the latest states of users by their names in Redis.
        sweeps: the last sweeps by organization.
        removed: the names in Redis of users that are no longer watched.
        first: whether these are the first since this replica began to publish.
    """

    states: dict[bytes, UserState]
    sweeps: dict[str, Sweep]
    removed: set[bytes]
    first: bool


class PendingChanges:
    """Collects changes while this replica publishes, and drops them while it does not.

    It holds at most one state for each user, one sweep for each organization, and 10,000 removed users.
    """

    def __init__(self) -> None:
        # Guards the fields below: pollers and the lease's thread write, the replicator's thread takes.
        self._lock = threading.Lock()
        self._publishing = False
        self._first = False
        self._states: dict[bytes, UserState] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._removed: set[bytes] = set()

    @property
    def publishing(self) -> bool:
        """Whether this replica publishes."""
        return self._publishing

    def set_publishing(self, on: bool) -> bool:  # noqa: FBT001 - a setter
        """Begin or end to collect; whether that is a change."""
        with self._lock:
            if self._publishing is on:
                return False
            self._publishing = self._first = on
            # What was not published in time is older by now than what the other replica publishes.
            self._states.clear()
            self._sweeps.clear()
            self._removed.clear()
            return True

    def changed(self, name: bytes, state: UserState) -> None:
        """The state of a user changed."""
        with self._lock:
            if self._publishing:
                self._removed.discard(name)
                self._states[name] = state

    def swept(self, organization: str, sweep: Sweep) -> None:
        """An organization completed a sweep."""
        with self._lock:
            if self._publishing:
                self._sweeps[organization] = sweep

    def removed(self, names: Iterable[bytes]) -> bool:
        """Users are no longer watched; False if there are too many of them to remember."""
        with self._lock:
            if not self._publishing:
                return True
            for name in names:
                self._states.pop(name, None)
                self._removed.add(name)
            if len(self._removed) <= _MOST_REMOVED:
                return True
            self._removed.clear()
            return False

    def organization_removed(self, organization: str) -> None:
        """An organization is no longer configured."""
        with self._lock:
            self._sweeps.pop(organization, None)

    def take(self) -> Changes:
        """The changes so far; none of them waits any more."""
        with self._lock:
            changes = Changes(self._states, self._sweeps, self._removed, self._first)
            self._states, self._sweeps, self._removed, self._first = {}, {}, set(), False
            return changes

    def put_back(self, changes: Changes) -> None:
        """Let changes wait again that could not be published; later changes count more."""
        with self._lock:
            if not self._publishing:
                return
            self._first |= changes.first
            kept = {name: state for name, state in changes.states.items() if name not in self._removed}
            self._states = kept | self._states
            self._sweeps = changes.sweeps | self._sweeps
            self._removed |= changes.removed - self._states.keys()
