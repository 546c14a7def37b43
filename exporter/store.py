"""The latest state of every user, and a consistent view of it for those who read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from exporter.model import Failure, Token, User, UserState

if TYPE_CHECKING:
    from collections.abc import Iterable


class SweepResult(StrEnum):
    """How a sweep ended."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Sweep:
    """The last sweep of an organization that went over all its users.

    Attributes:
        result: how it ended.
        duration: seconds.
        completed_at: epoch seconds.
    """

    result: SweepResult
    duration: float
    completed_at: float


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """One organization as it stands.

    Attributes:
        users: the states of its users.
        sweep: its last sweep; None before the first has ended.
        since: epoch seconds from which it has been watched by this process.
    """

    name: str
    users: tuple[UserState, ...]
    sweep: Sweep | None
    since: float


@dataclass(frozen=True, slots=True)
class View:
    """All organizations at one moment. Each user is wholly as before a poll or wholly as after it."""

    organizations: tuple[OrganizationView, ...]

    @property
    def ready(self) -> bool:
        """Whether each organization has been swept once."""
        return all(organization.sweep is not None for organization in self.organizations)


class LedgerObserver(Protocol):
    """Hears of what is noted in a ledger."""

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        """A user's state is another one than before."""
        ...

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        ...


class Ledger:
    """The states of one organization's users. Pollers write, readers take views; both from any thread.

    What is written about somebody who is not watched (any more) is dropped.

    Args:
        name: the organization.
        users: whom to watch.
        known: what is known from before.
        since: epoch seconds from which the organization is watched.
        observer: told of what changes, from the poller's thread.
    """

    def __init__(
        self,
        name: str,
        users: Iterable[User],
        known: OrganizationView | None = None,
        *,
        since: float = 0.0,
        observer: LedgerObserver | None = None,
    ) -> None:
        self.name = name
        self._observer = observer
        self._since = since if known is None else known.since
        # Guards the fields below.
        self._lock = threading.Lock()
        self._closed = False
        self._states: dict[str, UserState] = {}
        self._sweep: Sweep | None = None
        self._view: OrganizationView | None = None
        if known is not None:
            self._states = {state.user.user_id: state for state in known.users}
            self._sweep = known.sweep
        self.watch(users)

    def close(self) -> None:
        """Note nothing any more, since another ledger takes over: whoever listens hears of all that the view has."""
        with self._lock:
            self._closed = True

    def take_over(self, known: OrganizationView) -> None:
        """Go on from what a closed ledger knew last, if it is newer than what this one began with.

        Only before anything has been noted here.
        """
        with self._lock:
            for state in known.users:
                mine = self._states.get(state.user.user_id)
                if mine is not None:
                    # The very same object where it can be: text has been made from it.
                    self._states[state.user.user_id] = state if state.user == mine.user else state.about(mine.user)
            self._sweep = known.sweep
            self._view = None

    def watch(self, users: Iterable[User]) -> None:
        """Set whom to watch. Who stays keeps what is known, under the name given now; who is gone is forgotten."""
        with self._lock:
            states = {}
            for user in users:
                old = self._states.get(user.user_id)
                if old is None:
                    states[user.user_id] = UserState(user)
                else:
                    states[user.user_id] = old if old.user == user else old.about(user)
            self._states = states
            self._view = None

    def users(self) -> tuple[User, ...]:
        """Whom to watch, in their order."""
        with self._lock:
            return tuple(state.user for state in self._states.values())

    def succeeded(self, user_id: str, tokens: tuple[Token, ...], at: float) -> None:
        """Note a poll that worked."""
        with self._lock:
            if self._closed or (before := self._states.get(user_id)) is None:
                return
            state = self._states[user_id] = before.succeeded(tokens, at)
            self._view = None
        self._tell((before, state))

    def _tell(self, *changes: tuple[UserState, UserState]) -> None:
        if self._observer is not None:
            for before, state in changes:
                self._observer.changed(self.name, before, state)

    def failed(self, user_id: str, failure: Failure, at: float) -> None:
        """Note a poll that did not work; the tokens last seen stay."""
        with self._lock:
            if self._closed or (before := self._states.get(user_id)) is None:
                return
            state = self._states[user_id] = before.failed(failure, at)
            self._view = None
        self._tell((before, state))

    def all_failed(self, failure: Failure, at: float) -> None:
        """Note that nobody can be polled; that says nothing about any user."""
        with self._lock:
            if self._closed:
                return
            earlier = self._states
            self._states = {
                user_id: replace(state.failed(failure, at), failures=state.failures)
                for user_id, state in earlier.items()
            }
            self._view = None
            changes = tuple(zip(earlier.values(), self._states.values(), strict=True))
        self._tell(*changes)

    def swept(self, sweep: Sweep) -> None:
        """Note a sweep that went over all users."""
        with self._lock:
            if self._closed:
                return
            self._sweep = sweep
            self._view = None
        if self._observer is not None:
            self._observer.swept(self.name, sweep)

    def state(self, user_id: str) -> UserState | None:
        """What is known of one user; None if nobody watches them."""
        with self._lock:
            return self._states.get(user_id)

    def view(self) -> OrganizationView:
        """The organization at this moment: the very same object until something is noted."""
        with self._lock:
            if self._view is None:
                self._view = OrganizationView(self.name, tuple(self._states.values()), self._sweep, self._since)
            return self._view


class Store:
    """The ledgers in force. A reload swaps them all at once; what an old one is told from then on is seen by nobody."""

    def __init__(self) -> None:
        self._ledgers: tuple[Ledger, ...] = ()

    def replace(self, ledgers: Iterable[Ledger]) -> None:
        """Put other ledgers in force."""
        self._ledgers = tuple(ledgers)

    def view(self) -> View:
        """All organizations at this moment."""
        return View(tuple(ledger.view() for ledger in self._ledgers))
