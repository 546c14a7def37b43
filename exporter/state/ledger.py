"""The states of one organization's users, and the order in which their changes are published."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.model.state import Failure, UserState
from exporter.model.token import MOST_TOKENS, Token
from exporter.state.delivery import Changed, Delivery, OrganizationRemoved, OwnExpiryChanged, Swept, UsersRemoved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.model.user import User
    from exporter.state.delivery import Receipt, Update
from exporter.model.snapshot import Discovery, OrganizationView, Sweep

_PORTION = 500
"""Users whose state is replaced in one go when all of them change."""

_MOST_ELSEWHERE = 200_000
"""Users of another replica, not watched here yet, whose states are kept; beyond that the oldest are dropped."""

_log = structlog.get_logger(__name__)


class Outcomes(Protocol):
    """What a sweep reads and writes: a `Ledger`, or a `Recorder` of one."""

    @property
    def name(self) -> str:
        """The organization."""
        ...

    def state(self, user_id: str) -> UserState | None:
        """What is known of one user; None if the user is not watched."""
        ...

    def view(self) -> OrganizationView:
        """The organization at this moment."""
        ...

    def succeeded(self, user_id: str, tokens: tuple[Token, ...], at: float) -> bool:
        """Record a poll that worked; False if a part of the exporter could not take the result, which is counted."""
        ...

    def failed(self, user_id: str, failure: Failure, at: float) -> None:
        """Record a poll that did not work."""
        ...

    def all_failed(self, failure: Failure, at: float) -> None:
        """Record that no user can be polled."""
        ...

    def swept(self, sweep: Sweep) -> None:
        """Record a sweep that went over all users."""
        ...


class Ledger:
    """The states of one organization's users, for as long as the organization is configured.

    Pollers write, readers take views; both from any thread. Updates are published in the order in which they were
    recorded, by the thread that recorded them, and never while the lock is held that readers need. What is recorded
    about a user who is not watched (any more) is dropped.

    Args:
        name: the organization.
        users: the watched users.
        known: what is known from before. Users in it that are not watched are published as removed, with the first
            update or by `publish_pending`.
        since: epoch seconds from which the organization is watched.
        shard: which part of its users these are, as ``k/n``; "" for all.
        publish: called with each update; returns False if a part of the exporter could not take it.
        most_tokens: tokens of one user to keep; the rest is counted.
    """

    def __init__(
        self,
        name: str,
        users: Iterable[User],
        known: OrganizationView | None = None,
        *,
        since: float = 0.0,
        shard: str = "",
        publish: Callable[[Update], bool | None] | None = None,
        most_tokens: int = MOST_TOKENS,
    ) -> None:
        self.name = name
        self._most_tokens = most_tokens
        self._shard = shard
        self._since = since if known is None else known.since
        self._delivery = None if publish is None else Delivery(publish)
        # Guards the fields below, and orders what is put into _delivery.
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
        self._watch(users)

    def close(self) -> None:
        """Record nothing any more."""
        with self._lock:
            self._closed = True

    def remove(self) -> None:
        """Record nothing any more, since the organization is gone; publishes that as the last update."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._put(OrganizationRemoved(self.name))
        self.publish_pending()

    def publish_pending(self) -> None:
        """Publish what has been recorded and not been published yet."""
        if self._delivery is not None:
            self._delivery.deliver()

    def _put(self, update: Update) -> Receipt | None:
        """Queue an update in the order of the ledger. With the lock."""
        return None if self._delivery is None else self._delivery.put(update)

    def _refuses(self, by: Recorder | None) -> bool:
        """Whether nothing may be recorded any more, at all or by this recorder. With the lock."""
        return self._closed or (by is not None and by.closed)

    def dismiss(self, recorder: Recorder) -> None:
        """Take nothing from a recorder any more."""
        with self._lock:
            recorder.closed = True

    def watch(self, users: Iterable[User], *, by: Recorder | None = None) -> None:
        """Set the watched users. Users that remain keep their state under the name given now; others are dropped."""
        with self._lock:
            if self._refuses(by):
                return
            self._watch(users)
        self.publish_pending()

    def _watch(self, users: Iterable[User]) -> None:
        states = {}
        for user in users:
            old = self._states.get(user.user_id) or self._elsewhere.pop(user.user_id, None)
            if old is None:
                states[user.user_id] = UserState(user)
            else:
                states[user.user_id] = old if old.user == user else old.about(user)
        removed = tuple(user_id for user_id in self._states if user_id not in states)
        self._states = states
        self._view = None
        if removed:
            self._put(UsersRemoved(self.name, removed))

    def keep_tokens(self, most: int) -> None:
        """Keep so many tokens of one user from the next poll on."""
        self._most_tokens = most

    def users(self) -> tuple[User, ...]:
        """The watched users, in their order."""
        with self._lock:
            return tuple(state.user for state in self._states.values())

    def succeeded(self, user_id: str, tokens: tuple[Token, ...], at: float, *, by: Recorder | None = None) -> bool:
        """Record a poll that worked; False if a part of the exporter could not take the result, which is counted."""
        with self._lock:
            if self._refuses(by) or (before := self._states.get(user_id)) is None:
                return True
            state = before.succeeded(tokens, at, self._most_tokens)
            if state.tokens == before.tokens:
                # The same objects: so polls that find nothing new leave no work to the garbage collector.
                state = replace(state, tokens=before.tokens)
            receipt = self._replace(before, state)
        if state.left_out and not before.left_out:
            _log.warning(
                "a user has more tokens than metrics.max_tokens_per_user, the rest is only counted",
                organization=self.name,
                user_id=user_id,
                user=state.user.name,
                tokens=len(tokens),
                kept=len(state.tokens),
            )
        self.publish_pending()
        return receipt is None or receipt.complete

    def failed(self, user_id: str, failure: Failure, at: float, *, by: Recorder | None = None) -> None:
        """Record a poll that did not work; the tokens last seen stay."""
        with self._lock:
            if self._refuses(by) or (before := self._states.get(user_id)) is None:
                return
            self._replace(before, before.failed(failure, at))
        self.publish_pending()

    def _replace(self, before: UserState, after: UserState) -> Receipt | None:
        """Put a state in the place of another and queue the change. With the lock."""
        self._states[after.user.user_id] = after
        self._view = None
        return self._put(Changed(self.name, before, after))

    def all_failed(self, failure: Failure, at: float, *, by: Recorder | None = None) -> None:
        """Record that no user can be polled; that says nothing about any single user."""
        with self._lock:
            user_ids = tuple(self._states)
        # In portions: with very many users readers would wait for seconds, and for text that is not made yet.
        for start in range(0, len(user_ids), _PORTION):
            with self._lock:
                if self._refuses(by):
                    return
                for user_id in user_ids[start : start + _PORTION]:
                    if (before := self._states.get(user_id)) is not None:
                        self._replace(before, replace(before.failed(failure, at), failures=before.failures))
            self.publish_pending()

    def take(self, state: UserState, *, always: bool = False) -> None:
        """Take over what another replica knows of a user.

        Args:
            state: what it knows.
            always: even if what is known here seems to be newer. Its clock may have been ahead then, or be behind now:
                so the order in which it publishes counts, not its times.
        """
        user_id = state.user.user_id
        with self._lock:
            if self._closed:
                return
            mine = self._states.get(user_id)
            if mine is None:
                # The list of users may come later here than there.
                self._elsewhere.pop(user_id, None)
                self._elsewhere[user_id] = state
                if len(self._elsewhere) > _MOST_ELSEWHERE:
                    del self._elsewhere[next(iter(self._elsewhere))]
                return
            if not always and (mine.last_success or 0.0) > (state.last_success or 0.0):
                return
            state = state if state.user == mine.user else state.about(mine.user)
            if state == mine:
                return
            # Not as a change of tokens: the replica that polled has published that.
            self._replace(state, state)
        self.publish_pending()

    def forget_unwatched(self, user_ids: Iterable[str] | None = None) -> None:
        """Drop what was taken over about users who are not watched (yet): of these, or of all."""
        with self._lock:
            if user_ids is None:
                self._elsewhere.clear()
            else:
                for user_id in user_ids:
                    self._elsewhere.pop(user_id, None)

    def take_sweep(self, sweep: Sweep, *, always: bool = False) -> None:
        """Take over another replica's sweep; as `take`, unless a later one is known here."""
        with self._lock:
            if self._closed or self._sweep == sweep:
                return
            if not always and self._sweep is not None and self._sweep.completed_at >= sweep.completed_at:
                return
            self._swept(sweep)
        self.publish_pending()

    def swept(self, sweep: Sweep, *, by: Recorder | None = None) -> None:
        """Record a sweep that went over all users."""
        with self._lock:
            if self._refuses(by):
                return
            self._swept(sweep)
        self.publish_pending()

    def _swept(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._view = None
        self._put(Swept(self.name, sweep))

    def discovered(self, discovery: Discovery | None, *, by: Recorder | None = None) -> None:
        """Record how discovery stands; None where none is configured."""
        with self._lock:
            if self._refuses(by):
                return
            self._discovery = discovery
            self._view = None

    def own_token(self, expires_at: float | None, *, by: Recorder | None = None) -> None:
        """Record when the exporter's own token expires, in epoch seconds; None if that cannot be known."""
        with self._lock:
            if self._refuses(by) or expires_at == self._own_expiry:
                return
            self._own_expiry = expires_at
            self._view = None
            self._put(OwnExpiryChanged(self.name, expires_at))
        self.publish_pending()

    def state(self, user_id: str) -> UserState | None:
        """What is known of one user; None if the user is not watched."""
        with self._lock:
            return self._states.get(user_id)

    def view(self) -> OrganizationView:
        """The organization at this moment: the very same object until something is recorded."""
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


class Recorder:
    """Writes to a ledger for those who poll with one client, until they are replaced: what comes later is dropped.

    A request may end long after a reload, with an answer that another endpoint gave or that was read by other settings.

    Args:
        ledger: where the outcomes go.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.closed = False
        """Whether the ledger takes nothing from here any more; the ledger's lock guards it."""

    @property
    def name(self) -> str:
        """The organization."""
        return self._ledger.name

    def close(self) -> None:
        """Record nothing any more: once this has returned, nothing from here changes the ledger."""
        self._ledger.dismiss(self)

    def state(self, user_id: str) -> UserState | None:
        """What is known of one user; None if the user is not watched."""
        return self._ledger.state(user_id)

    def view(self) -> OrganizationView:
        """The organization at this moment."""
        return self._ledger.view()

    def watch(self, users: Iterable[User]) -> None:
        """Set the watched users."""
        self._ledger.watch(users, by=self)

    def succeeded(self, user_id: str, tokens: tuple[Token, ...], at: float) -> bool:
        """Record a poll that worked; False if a part of the exporter could not take the result, which is counted."""
        return self._ledger.succeeded(user_id, tokens, at, by=self)

    def failed(self, user_id: str, failure: Failure, at: float) -> None:
        """Record a poll that did not work; the tokens last seen stay."""
        self._ledger.failed(user_id, failure, at, by=self)

    def all_failed(self, failure: Failure, at: float) -> None:
        """Record that no user can be polled."""
        self._ledger.all_failed(failure, at, by=self)

    def swept(self, sweep: Sweep) -> None:
        """Record a sweep that went over all users."""
        self._ledger.swept(sweep, by=self)

    def discovered(self, discovery: Discovery) -> None:
        """Record how discovery stands."""
        self._ledger.discovered(discovery, by=self)

    def own_token(self, expires_at: float | None) -> None:
        """Record when the exporter's own token expires, in epoch seconds; None if that cannot be known."""
        self._ledger.own_token(expires_at, by=self)
