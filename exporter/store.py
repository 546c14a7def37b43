"""The latest state of every user, and a consistent view of it for those who read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from exporter.model import Failure, Token, User, UserState

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_ELSEWHERE = 200_000
"""Users of another replica, not watched here yet, whose states are kept; beyond that the oldest go."""


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
class Discovery:
    """How the discovery of an organization's users stands.

    Attributes:
        up: whether the last refresh worked; None before the end of the first.
        last_success: epoch seconds of the last one that worked; None before the first of this process.
        users: how many the list in force has; None before there is a list.
    """

    up: bool | None = None
    last_success: float | None = None
    users: int | None = None


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """One organization as it stands.

    Attributes:
        users: the states of its users.
        sweep: its last sweep; None before the first has ended.
        since: epoch seconds from which it has been watched by this process.
        shard: which part of its users these are, as ``k/n``; "" for all.
        discovery: how the discovery of its users stands; None where none is configured.
        own_expiry: when the exporter's own token expires, in epoch seconds; `NEVER` if it has no expiry; None where
            that is not known.
    """

    name: str
    users: tuple[UserState, ...]
    sweep: Sweep | None
    since: float
    shard: str = ""
    discovery: Discovery | None = None
    own_expiry: float | None = None

    @property
    def ready(self) -> bool:
        """Whether it is known whom to watch, and all of them have been asked for once."""
        return self.sweep is not None and (self.discovery is None or self.discovery.users is not None)


@dataclass(frozen=True, slots=True)
class View:
    """All organizations at one moment. Each user is wholly as before a poll or wholly as after it."""

    organizations: tuple[OrganizationView, ...]

    @property
    def ready(self) -> bool:
        """Whether each organization is."""
        return bool(self.organizations) and all(organization.ready for organization in self.organizations)


class LedgerObserver(Protocol):
    """Hears of what is noted in a ledger."""

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        """A user's state is another one than before."""
        ...

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        ...

    def own_token(self, organization: str, expires_at: float | None) -> None:
        """The expiry of the exporter's own token is another one, in epoch seconds; None if it is not known."""
        ...


class Ledger:
    """The states of one organization's users. Pollers write, readers take views; both from any thread.

    What is written about somebody who is not watched (any more) is dropped.

    Args:
        name: the organization.
        users: whom to watch.
        known: what is known from before.
        since: epoch seconds from which the organization is watched.
        shard: which part of its users these are, as ``k/n``; "" for all.
        observer: told of what changes, from the poller's thread.
    """

    def __init__(
        self,
        name: str,
        users: Iterable[User],
        known: OrganizationView | None = None,
        *,
        since: float = 0.0,
        shard: str = "",
        observer: LedgerObserver | None = None,
    ) -> None:
        self.name = name
        self._shard = shard
        self._observer = observer
        self._since = since if known is None else known.since
        # Guards the fields below.
        self._lock = threading.Lock()
        self._closed = False
        self._states: dict[str, UserState] = {}
        self._elsewhere: dict[str, UserState] = {}
        self._sweep: Sweep | None = None
        self._discovery: Discovery | None = None
        self._own_expiry: float | None = None
        self._view: OrganizationView | None = None
        if known is not None:
            self._states = {state.user.user_id: state for state in known.users}
            self._sweep = known.sweep
            self._own_expiry = known.own_expiry
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
            self._own_expiry = known.own_expiry
            self._view = None

    def watch(self, users: Iterable[User]) -> None:
        """Set whom to watch. Who stays keeps what is known, under the name given now; who is gone is forgotten."""
        with self._lock:
            states = {}
            for user in users:
                old = self._states.get(user.user_id) or self._elsewhere.pop(user.user_id, None)
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

    def take(self, state: UserState) -> None:
        """Take in what another replica knows of a user, unless more is known here."""
        with self._lock:
            mine = self._states.get(state.user.user_id)
            if mine is None:
                # The list of users may come later here than there.
                self._elsewhere.pop(state.user.user_id, None)
                self._elsewhere[state.user.user_id] = state
                if len(self._elsewhere) > _MOST_ELSEWHERE:
                    self._elsewhere.pop(next(iter(self._elsewhere)))
                return
            if (mine.last_success or 0.0) > (state.last_success or 0.0):
                return
            state = state if state.user == mine.user else state.about(mine.user)
            if state == mine:
                return
            self._states[state.user.user_id] = state
            self._view = None
        # Not as a change: who polled has told of that.
        self._tell((state, state))

    def forget_unwatched(self, user_ids: Iterable[str] | None = None) -> None:
        """Drop what was taken in of users who are not watched (yet): of these, or of all."""
        with self._lock:
            if user_ids is None:
                self._elsewhere = {}
            else:
                for user_id in user_ids:
                    self._elsewhere.pop(user_id, None)

    def take_sweep(self, sweep: Sweep) -> None:
        """Take in another replica's sweep, unless a later one is known here."""
        with self._lock:
            known = self._sweep
        if known is None or known.completed_at < sweep.completed_at:
            self.swept(sweep)

    def swept(self, sweep: Sweep) -> None:
        """Note a sweep that went over all users."""
        with self._lock:
            if self._closed:
                return
            self._sweep = sweep
            self._view = None
        if self._observer is not None:
            self._observer.swept(self.name, sweep)

    def discovered(self, discovery: Discovery) -> None:
        """Note how discovery stands."""
        with self._lock:
            self._discovery = discovery
            self._view = None

    def own_token(self, expires_at: float | None) -> None:
        """Note when the exporter's own token expires, in epoch seconds; None if that cannot be known."""
        with self._lock:
            if expires_at == self._own_expiry:
                return
            self._own_expiry = expires_at
            self._view = None
        if self._observer is not None:
            self._observer.own_token(self.name, expires_at)

    def state(self, user_id: str) -> UserState | None:
        """What is known of one user; None if nobody watches them."""
        with self._lock:
            return self._states.get(user_id)

    def view(self) -> OrganizationView:
        """The organization at this moment: the very same object until something is noted."""
        with self._lock:
            if self._view is None:
                self._view = OrganizationView(
                    self.name,
                    tuple(self._states.values()),
                    self._sweep,
                    self._since,
                    self._shard,
                    self._discovery,
                    self._own_expiry,
                )
            return self._view


class Store:
    """The ledgers in force. A reload swaps them all at once; what an old one is told from then on is seen by nobody."""

    def __init__(self) -> None:
        self._ledgers: tuple[Ledger, ...] = ()

    def replace(self, ledgers: Iterable[Ledger]) -> None:
        """Put other ledgers in force."""
        self._ledgers = tuple(ledgers)

    def take_state(self, organization: str, state: UserState) -> None:
        """Take in what another replica knows of a user, unless more is known here."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take(state)

    def forget_unwatched(self, organization: str | None = None, user_ids: Iterable[str] | None = None) -> None:
        """Drop what was taken in of users who are not watched (yet); None stands for all organizations, or users."""
        for ledger in self._ledgers:
            if organization in {None, ledger.name}:
                ledger.forget_unwatched(user_ids)

    def take_sweep(self, organization: str, sweep: Sweep) -> None:
        """Take in another replica's sweep, unless a later one is known here."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take_sweep(sweep)

    def view(self) -> View:
        """All organizations at this moment."""
        return View(tuple(ledger.view() for ledger in self._ledgers))
