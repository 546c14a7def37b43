"""Copies state from the leader to the standbys through Redis; `records` describes what Redis holds."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.cluster.pending import PendingChanges
from exporter.cluster.records import Batch, UnreadableError, name_of, read_name, read_state, read_sweep
from exporter.cluster.redis import RedisCallError
from exporter.cluster.removals import Removals, is_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.cluster.records import Records
    from exporter.common.worker import MonotonicClock, Supervisor, Worker
    from exporter.model.snapshot import Sweep, View
    from exporter.model.state import UserState

_log = structlog.get_logger(__name__)
_EVERY = 1.0
"""Seconds between two steps."""
_STUCK_AFTER = 300.0
"""Seconds; publishing the states of all users takes a while."""
_STOP_TIMEOUT = 2.0


class ReplicatedStore(Protocol):
    """The states of this process's organizations."""

    def view(self) -> View:
        """A snapshot."""
        ...

    def take_state(self, organization: str, state: UserState, *, always: bool = False) -> None:
        """Apply a user's state from another replica, if it is newer by its times, or always."""
        ...

    def take_sweep(self, organization: str, sweep: Sweep, *, always: bool = False) -> None:
        """Apply another replica's last sweep, if it is newer by its times, or always."""
        ...

    def forget_unwatched(self, organization: str | None = None, user_ids: Iterable[str] | None = None) -> None:
        """Drop states from other replicas of users that are not watched here (yet); None stands for all."""
        ...


class Replicator:
    """Publishes changes while this replica polls, and applies those of the leader while it stands by.

    Args:
        records: the records in Redis.
        store: the states of this process.
        failed: called each time that something could not be published or read.
        supervisor: makes the thread.
        clock: monotonic time.
    """

    def __init__(
        self,
        records: Records,
        store: ReplicatedStore,
        failed: Callable[[], None],
        supervisor: Supervisor,
        clock: MonotonicClock,
    ) -> None:
        self._clock = clock
        self._records = records
        self._store = store
        self._failed = failed
        self._pending = PendingChanges()
        # Used by the replicator's thread alone, except _seen, which a change of roles sets to 0.
        self._number = 0
        self._seen = 0
        self._read_sweeps: dict[bytes, bytes] = {}
        self._removals = Removals(self._clock)
        self._failing = False
        self._worker: Worker = supervisor.worker(
            "exchange", self.step, finish=self._finish, stuck_after=_STUCK_AFTER, pause=_EVERY
        )

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def stop(self) -> None:
        """Publish what waits, and end."""
        self._worker.stop(_STOP_TIMEOUT)

    def publish(self, on: bool) -> None:  # noqa: FBT001 - a setter
        """Publish from now on, since this replica polls; or read what the other one publishes."""
        if self._pending.set_publishing(on):
            self._seen = 0

    def changed(self, organization: str, state: UserState) -> None:
        """The state of a user changed."""
        self._pending.changed(name_of(organization, state.user.user_id), state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """An organization completed a sweep."""
        self._pending.swept(organization, sweep)

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Users are no longer watched: their records are removed from Redis and from standbys."""
        if not self._pending.removed(name_of(organization, user_id) for user_id in user_ids):
            self._removals.compare_soon()

    def organization_removed(self, organization: str) -> None:
        """An organization is no longer configured: its records are removed from Redis and from standbys."""
        self._pending.organization_removed(organization)
        self._removals.compare_soon()

    def step(self) -> float:
        """Publish or read once; the seconds until the next time."""
        try:
            if self._pending.publishing:
                self._send()
            else:
                self._receive()
            self._failing = False
        except RedisCallError as error:
            self._failed()
            log = _log.debug if self._failing else _log.warning
            log("state cannot be exchanged with other replicas", detail=str(error))
            self._failing = True
        return _EVERY

    def _finish(self) -> None:
        # Not if Redis failed a moment ago: the exit would have to wait for it.
        if self._pending.publishing and not self._failing:
            self.step()

    def _send(self) -> None:
        changes = self._pending.take()
        if changes.first:
            self._number = 0
            self._removals = Removals(self._clock)
        try:
            self._publish(changes.states, changes.sweeps, changes.removed)
        except BaseException:
            self._pending.put_back(changes)
            raise

    def _publish(self, states: dict[bytes, UserState], sweeps: dict[str, Sweep], removed: set[bytes]) -> None:
        number = self._last_number()
        nothing_published = self._number == 0
        if number != self._number:
            # Another replica has published something that this one has not read yet.
            self._receive()
        if nothing_published or number < self._number:
            # This replica has just taken over, or Redis has lost what was published last: publish everything.
            all_states, all_sweeps = self._known()
            states, sweeps = all_states | states, all_sweeps | sweeps
        if number < self._number:
            # Users that were removed since may be back: compare at once, and trust no earlier removal.
            self._removals = Removals(self._clock)
        compare = self._removals.claim(self._store.view())
        # A sweep waits again after a failure. Its organization may have been removed since, and its record from Redis.
        configured = {one.name for one in self._store.view().organizations}
        sweeps = {name: sweep for name, sweep in sweeps.items() if name in configured}
        try:
            found, removed_sweeps = self._compare(states) if compare else (set(), [])
            # A state that was read while its organization was being removed is not published.
            states = {name: state for name, state in states.items() if name not in found}
            removed = (removed | found) - states.keys()
            if batch := Batch(states, sweeps, removed, removed_sweeps):
                self._number = self._seen = self._records.write(batch, max(number, self._number))
        except BaseException:
            if compare:
                self._removals.compare_soon()
            raise
        self._removals.record(removed, states)
        if old := self._removals.expired():
            self._records.forget(old)

    def _compare(self, states: Iterable[bytes]) -> tuple[set[bytes], list[bytes]]:
        """The unwatched users and unconfigured organizations that have a record in Redis, or are about to get one."""
        organizations = self._store.view().organizations
        watched = {name_of(one.name, state.user.user_id) for one in organizations for state in one.users}
        unlisted = {one.name for one in organizations if not is_listed(one)}
        found = set()
        for name in itertools.chain(
            (one for one in self._records.names() if not self._removals.is_recent(one)), states
        ):
            if name in watched:
                continue
            try:
                organization, _ = read_name(name)
            except UnreadableError:
                self._failed()
                organization = ""
            if organization not in unlisted:
                found.add(name)
        for one in organizations:
            if one.name not in unlisted:
                self._store.forget_unwatched(one.name)
        configured = {one.name.encode() for one in organizations}
        return found, [name for name in self._records.sweeps() if name not in configured]

    def _receive(self) -> None:
        # Before the states, so that a sweep is never known before the states of its users.
        swept = self._records.sweeps()
        number = self._last_number()
        known_users, known_sweeps = frozenset[bytes](), frozenset[bytes]()
        seen = self._seen
        if number < seen:
            # Redis has lost what was published last. What is left is older than what this replica has read from it,
            # whatever its times say, so it replaces nothing.
            states, sweeps = self._known()
            known_users, known_sweeps = frozenset(states), frozenset(name.encode() for name in sweeps)
            seen = 0
        # What is published while this replica stands by is newer than what it knows, whatever the clocks say. What was
        # there before, or comes while it polls, may be older.
        always = seen > 0 and not self._pending.publishing
        if seen == 0:
            # Everything is read: what is no longer in Redis is not needed here either.
            self._store.forget_unwatched()
            self._read_sweeps = {}
        for name, blob in self._records.changed_since(seen):
            if name not in known_users:
                self._apply(partial(self._apply_state, always=always), name, blob)
        for name, blob in swept.items():
            # Each record once, so that an unreadable one is not counted every second.
            if self._read_sweeps.get(name) != blob and name not in known_sweeps:
                self._apply(partial(self._apply_sweep, always=always), name, blob)
        self._read_sweeps = swept
        self._seen = number

    def _known(self) -> tuple[dict[bytes, UserState], dict[str, Sweep]]:
        """The states of polled users by the names of their records, and the last sweeps by organization."""
        organizations = self._store.view().organizations
        watched = {name_of(one.name, state.user.user_id): state for one in organizations for state in one.users}
        states = {name: state for name, state in watched.items() if state.polled}
        return states, {one.name: one.sweep for one in organizations if one.sweep is not None}

    def _apply_state(self, name: bytes, blob: bytes | None, *, always: bool) -> None:
        organization, user_id = read_name(name)
        if blob is None:
            self._store.forget_unwatched(organization, (user_id,))
        else:
            self._store.take_state(organization, read_state(blob), always=always)

    def _apply_sweep(self, name: bytes, blob: bytes | None, *, always: bool) -> None:
        self._store.take_sweep(*read_sweep(name, blob or b""), always=always)

    def _apply(self, apply: Callable[[bytes, bytes | None], None], name: bytes, blob: bytes | None) -> None:
        """Apply a record. One that this version cannot read, or that meets a defect, is skipped and counted."""
        try:
            apply(name, blob)
        except UnreadableError as error:
            self._failed()
            _log.debug("a record of another replica is skipped", detail=str(error))
        except Exception:  # noqa: BLE001 - a defect in one record must not keep the others from being read; it is counted
            self._failed()
            _log.exception("a record of another replica could not be applied")

    def _last_number(self) -> int:
        try:
            return self._records.number()
        except UnreadableError:
            self._failed()
            return 0
