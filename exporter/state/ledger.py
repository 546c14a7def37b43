"""The states of one organization's users, and the order in which their changes are published."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.model.snapshot import Discovery, OrganizationView, Sweep, SweepResult
from exporter.model.state import Failure, UserState
from exporter.model.token import MOST_TOKENS, Token
from exporter.state.delivery import Changed, Delivery, OrganizationRemoved, OwnExpiryChanged, Swept, UsersRemoved
from exporter.state.known_objects import with_known_objects
from exporter.state.reachability import Reachability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.model.ssh_key import SshKey
    from exporter.model.user import User
    from exporter.state.delivery import Receipt, Update

_PORTION = 500
"""How many states are replaced while the lock is held when all users fail at once."""

_MOST_UNWATCHED = 200_000
"""States of users that another replica watches and this one does not (yet); beyond that the oldest are dropped."""

_log = structlog.get_logger(__name__)


class Outcomes(Protocol):
    """Where a sweep records results: a `Ledger`, or a `Recorder` of one."""

    @property
    def name(self) -> str:
        """The organization."""
        ...

    def state(self, user_id: str) -> UserState | None:
        """The state of one user; None if the user is not watched."""
        ...

    def view(self) -> OrganizationView:
        """A snapshot of the organization."""
        ...

    def succeeded(
        self,
        user_id: str,
        tokens: tuple[Token, ...],
        at: float,
        ssh_keys: tuple[SshKey, ...] | None = None,
        *,
        unreadable: int = 0,
    ) -> bool:
        """Record a successful poll; False if a part of the exporter could not take the result, which is counted.

        Args:
            user_id: the user.
            tokens: the tokens that the platform listed.
            at: epoch seconds.
            ssh_keys: the user's SSH keys; None if they are not watched or have never been listed.
            unreadable: the number of entries that could not be read as tokens.
        """
        ...

    def failed(self, user_id: str, failure: Failure, at: float) -> None:
        """Record a failed poll."""
        ...

    def all_failed(self, failure: Failure, at: float) -> None:
        """Record that no user can be polled."""
        ...

    def swept(self, sweep: Sweep) -> None:
        """Record a completed sweep."""
        ...


class Ledger:
    """The states of one organization's users, for as long as the organization is configured.

    Pollers record and readers take snapshots, from any thread. Updates are published in the order in which they were
    recorded, by the thread that recorded them, and never while the lock is held that readers need. Results for users
    that are not watched (any more) are dropped.

    Args:
        name: the organization.
        users: the watched users.
        known: the state of an earlier run. Users in it that are not watched are published as removed, with the first
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
        self._delivery = None if publish is None else Delivery(publish)
        # Guards the fields below, and orders what is put into _delivery.
        self._lock = threading.Lock()
        self._closed = False
        self._states: dict[str, UserState] = {}
        self._reachability = Reachability()
        # From other replicas, until the users are watched here.
        self._unwatched: dict[str, UserState] = {}
        # Everything about the organization but the users' states.
        self._about = OrganizationView(name, (), None, since, shard)
        # None if something has changed since the last snapshot.
        self._view: OrganizationView | None = None
        if known is not None:
            self._states = {state.user.user_id: state for state in known.users}
            self._about = replace(self._about, since=known.since, sweep=known.sweep, own_expiry=known.own_expiry)
        # This replaces equal users of an earlier run: otherwise both would stay in memory.
        self._watch(users, keep_equal=False)

    def close(self) -> None:
        """Ignore everything from now on."""
        with self._lock:
            self._closed = True

    def remove(self) -> None:
        """Ignore everything from now on and publish, as the last update, that the organization is removed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._put(OrganizationRemoved(self.name))
        self.publish_pending()

    def publish_pending(self) -> None:
        """Publish the updates that have not been published yet."""
        if self._delivery is not None:
            self._delivery.deliver()

    def _put(self, update: Update) -> Receipt | None:
        """Queue an update in the order of the ledger. Requires the lock."""
        return None if self._delivery is None else self._delivery.put(update)

    def _refuses(self, by: Recorder | None) -> bool:
        """Whether the ledger, or this recorder, is closed. Requires the lock."""
        return self._closed or (by is not None and by.closed)

    def dismiss(self, recorder: Recorder) -> None:
        """Ignore a recorder from now on."""
        with self._lock:
            recorder.closed = True

    def watch(self, users: Iterable[User], *, by: Recorder | None = None) -> None:
        """Set the watched users. Users that remain keep their state under the new name; others are dropped."""
        with self._lock:
            if self._refuses(by):
                return
            self._watch(users)
        self.publish_pending()

    def _watch(self, users: Iterable[User], *, keep_equal: bool = True) -> None:
        """Watch these users; with ``keep_equal``, states of users that are equal are not touched. Requires the lock."""
        states = {}
        for user in users:
            old = self._states.get(user.user_id) or self._unwatched.pop(user.user_id, None)
            if old is None:
                states[user.user_id] = UserState(user)
            else:
                unchanged = old.user is user or (keep_equal and old.user == user)
                states[user.user_id] = old if unchanged else old.about(user)
        removed = tuple(user_id for user_id in self._states if user_id not in states)
        self._states = states
        self._reachability.restart(states.values())
        self._view = None
        if removed:
            self._put(UsersRemoved(self.name, removed))

    def keep_tokens(self, most: int) -> None:
        """Set how many tokens of one user are kept, from the next poll on."""
        self._most_tokens = most

    def users(self) -> tuple[User, ...]:
        """The watched users, in the order of the list."""
        with self._lock:
            return tuple(state.user for state in self._states.values())

    def succeeded(
        self,
        user_id: str,
        tokens: tuple[Token, ...],
        at: float,
        ssh_keys: tuple[SshKey, ...] | None = None,
        *,
        unreadable: int = 0,
        by: Recorder | None = None,
    ) -> bool:
        """Record a successful poll; as `Outcomes.succeeded`."""
        with self._lock:
            if self._refuses(by) or (before := self._states.get(user_id)) is None:
                return True
            state = before.succeeded(tokens, at, self._most_tokens, unreadable=unreadable, ssh_keys=ssh_keys)
            state = with_known_objects(state, before)
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
        if ssh_keys is not None and len(ssh_keys) > self._most_tokens and not _is_full(before, self._most_tokens):
            _log.warning(
                "a user has more SSH keys than metrics.max_tokens_per_user, the rest is not watched",
                organization=self.name,
                user_id=user_id,
                user=state.user.name,
                ssh_keys=len(ssh_keys),
                kept=self._most_tokens,
            )
        if state.unreadable and not before.unreadable:
            _log.warning(
                "entries of a user's list cannot be read as tokens; known tokens that may be among them are kept",
                organization=self.name,
                user_id=user_id,
                user=state.user.name,
                unreadable=state.unreadable,
                kept=len(state.unlisted),
            )
        self.publish_pending()
        return receipt is None or receipt.complete

    def failed(self, user_id: str, failure: Failure, at: float, *, by: Recorder | None = None) -> None:
        """Record a failed poll; the last known tokens stay."""
        with self._lock:
            if self._refuses(by) or (before := self._states.get(user_id)) is None:
                return
            self._replace(before, before.failed(failure, at))
        self.publish_pending()

    def _replace(self, before: UserState, after: UserState) -> Receipt | None:
        """Replace a state and queue the change. Requires the lock."""
        user_id = after.user.user_id
        self._reachability.replace(self._states[user_id], after, self._states)
        self._states[user_id] = after
        self._view = None
        return self._put(Changed(self.name, before, after))

    def all_failed(self, failure: Failure, at: float, *, by: Recorder | None = None) -> None:
        """Record that no user can be polled. Does not count as a failure of the single users."""
        with self._lock:
            user_ids = tuple(self._states)
        # In portions, or readers would wait for seconds with very many users.
        for start in range(0, len(user_ids), _PORTION):
            with self._lock:
                if self._refuses(by):
                    return
                self._reachability.refuse()
                for user_id in user_ids[start : start + _PORTION]:
                    if (before := self._states.get(user_id)) is not None:
                        self._replace(before, replace(before.failed(failure, at), failures=before.failures))
            self.publish_pending()

    def take(self, state: UserState, *, always: bool = False) -> None:
        """Adopt the state of a user from another replica.

        Args:
            state: the state.
            always: even if the state here seems newer. The other replica's clock may have been ahead, or be behind now,
                so the order in which it publishes counts, not its times.
        """
        user_id = state.user.user_id
        with self._lock:
            if self._closed:
                return
            mine = self._states.get(user_id)
            if mine is None:
                # The list of users may arrive later here than at the other replica.
                self._unwatched.pop(user_id, None)
                self._unwatched[user_id] = state
                if len(self._unwatched) > _MOST_UNWATCHED:
                    del self._unwatched[next(iter(self._unwatched))]
                return
            if not always and (mine.last_success or 0.0) > (state.last_success or 0.0):
                return
            if state.about(mine.user) == mine:
                return
            state = with_known_objects(state.about(mine.user), mine)
            # The same object twice: the events have been published by the replica that polled.
            self._replace(state, state)
        self.publish_pending()

    def forget_unwatched(self, user_ids: Iterable[str] | None = None) -> None:
        """Drop adopted states of users that are not watched (yet): of these, or of all."""
        with self._lock:
            if user_ids is None:
                self._unwatched.clear()
            else:
                for user_id in user_ids:
                    self._unwatched.pop(user_id, None)

    def take_sweep(self, sweep: Sweep, *, always: bool = False) -> None:
        """Adopt the last sweep of another replica; ``always`` as in `take`."""
        with self._lock:
            last = self._about.sweep
            if self._closed or last == sweep:
                return
            if not always and last is not None and last.completed_at >= sweep.completed_at:
                return
            self._swept(sweep)
        self.publish_pending()

    def swept(self, sweep: Sweep, *, by: Recorder | None = None) -> None:
        """Record a completed sweep."""
        with self._lock:
            if self._refuses(by):
                return
            self._swept(sweep)
        self.publish_pending()

    def _swept(self, sweep: Sweep) -> None:
        last = self._about.sweep
        if sweep.result is SweepResult.FAILED and sweep.previous is None and last is not None:
            sweep = replace(sweep, previous=last.last_completed)
        self._set(replace(self._about, sweep=sweep))
        self._put(Swept(self.name, sweep))

    def _set(self, about: OrganizationView) -> None:
        """Replace what is recorded about the organization itself. Requires the lock."""
        self._about = about
        self._view = None

    def discovered(self, discovery: Discovery | None, *, by: Recorder | None = None) -> None:
        """Record the state of discovery; None if it is not configured."""
        with self._lock:
            if self._refuses(by):
                return
            self._set(replace(self._about, discovery=discovery))

    def own_token(self, expires_at: float | None, *, by: Recorder | None = None) -> None:
        """Record when the exporter's own token expires, in epoch seconds; None if it is unknown."""
        with self._lock:
            if self._refuses(by) or expires_at == self._about.own_expiry:
                return
            self._set(replace(self._about, own_expiry=expires_at))
            self._put(OwnExpiryChanged(self.name, expires_at))
        self.publish_pending()

    def state(self, user_id: str) -> UserState | None:
        """The state of one user; None if the user is not watched."""
        with self._lock:
            return self._states.get(user_id)

    def view(self) -> OrganizationView:
        """A snapshot of the organization: the same object until something changes."""
        with self._lock:
            if self._view is None:
                outage = self._reachability.outage(self._states)
                self._view = replace(self._about, users=tuple(self._states.values()), outage=outage)
            return self._view


def _is_full(state: UserState, most: int) -> bool:
    """Whether as many SSH keys as possible were kept already."""
    return state.ssh_keys is not None and len(state.ssh_keys) >= most


class Recorder:
    """Records in a ledger for the pollers of one configuration, until a reload replaces them.

    A request may end long after a reload, with a response from another endpoint or parsed with other settings: results
    that arrive after `close` are ignored.

    Args:
        ledger: where results are recorded.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.closed = False
        """Whether the ledger ignores this recorder; guarded by the ledger's lock."""

    @property
    def name(self) -> str:
        """The organization."""
        return self._ledger.name

    def close(self) -> None:
        """Ignore everything from now on: once this returns, this recorder no longer changes the ledger."""
        self._ledger.dismiss(self)

    def state(self, user_id: str) -> UserState | None:
        """The state of one user; None if the user is not watched."""
        return self._ledger.state(user_id)

    def view(self) -> OrganizationView:
        """A snapshot of the organization."""
        return self._ledger.view()

    def watch(self, users: Iterable[User]) -> None:
        """Set the watched users."""
        self._ledger.watch(users, by=self)

    def succeeded(
        self,
        user_id: str,
        tokens: tuple[Token, ...],
        at: float,
        ssh_keys: tuple[SshKey, ...] | None = None,
        *,
        unreadable: int = 0,
    ) -> bool:
        """Record a successful poll; as `Outcomes.succeeded`."""
        return self._ledger.succeeded(user_id, tokens, at, ssh_keys, unreadable=unreadable, by=self)

    def failed(self, user_id: str, failure: Failure, at: float) -> None:
        """Record a failed poll; the last known tokens stay."""
        self._ledger.failed(user_id, failure, at, by=self)

    def all_failed(self, failure: Failure, at: float) -> None:
        """Record that no user can be polled."""
        self._ledger.all_failed(failure, at, by=self)

    def swept(self, sweep: Sweep) -> None:
        """Record a completed sweep."""
        self._ledger.swept(sweep, by=self)

    def discovered(self, discovery: Discovery) -> None:
        """Record the state of discovery."""
        self._ledger.discovered(discovery, by=self)

    def own_token(self, expires_at: float | None) -> None:
        """Record when the exporter's own token expires, in epoch seconds; None if it is unknown."""
        self._ledger.own_token(expires_at, by=self)
