"""State from the replica that polls to the ones that stand by, through Redis; `records` has what stands there."""

from __future__ import annotations

import itertools
import threading
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.cluster.records import Batch, UnreadableError, name_of, read_name, read_state, read_sweep
from exporter.cluster.redis import LinkError
from exporter.cluster.removals import Removals, is_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.cluster.records import Records
    from exporter.common.worker import MonotonicClock, Supervisor, Worker
    from exporter.model.snapshot import Sweep, View
    from exporter.model.state import UserState

_log = structlog.get_logger(__name__)
_EVERY = 1.0
_STUCK_AFTER = 300.0
"""Seconds; the states of all users together take a while."""
_STOP_TIMEOUT = 2.0
_MOST_REMOVED = 10_000
"""Removed users that are remembered one by one while Redis is away; beyond that everything is compared."""


class Known(Protocol):
    """What a process knows of its organizations."""

    def view(self) -> View:
        """All of it at this moment."""
        ...

    def take_state(self, organization: str, state: UserState, *, always: bool = False) -> None:
        """Take over what another replica knows of a user, if it is newer by its times, or always."""
        ...

    def take_sweep(self, organization: str, sweep: Sweep, *, always: bool = False) -> None:
        """Take over another replica's last sweep, if it is newer by its times, or always."""
        ...

    def forget_unwatched(self, organization: str | None = None, user_ids: Iterable[str] | None = None) -> None:
        """Drop what was taken in of users who are not watched here, or not yet; None stands for all."""
        ...


class Exchange:
    """Publishes changes while this replica polls, and takes them in while it stands by.

    Args:
        records: what is in Redis.
        known: what this process knows.
        failed: called each time that something could not be exchanged.
        supervisor: makes the thread.
        clock: monotonic time.
    """

    def __init__(
        self,
        records: Records,
        known: Known,
        failed: Callable[[], None],
        supervisor: Supervisor,
        clock: MonotonicClock,
    ) -> None:
        self._clock = clock
        self._records = records
        self._known = known
        self._failed = failed
        # Guards the five below: pollers and the lease's thread write, the exchange's thread reads.
        self._lock = threading.Lock()
        self._publishing = False
        self._taking_over = False
        self._states: dict[bytes, UserState] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._removed: set[bytes] = set()
        # Of the exchange's thread alone, but for _seen, which a change of roles sets to 0.
        self._number = 0
        self._seen = 0
        self._taken_sweeps: dict[bytes, bytes] = {}
        self._removals = Removals(self._clock)
        self._troubled = False
        self._worker: Worker = supervisor.worker(
            "exchange", self.step, finish=self._finish, stuck_after=_STUCK_AFTER, pause=_EVERY
        )

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def stop(self) -> None:
        """Publish what waits, and end."""
        self._worker.stop(_STOP_TIMEOUT)

    def publish(self, on: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Whether this replica polls from now on."""
        with self._lock:
            if self._publishing is on:
                return
            self._publishing = self._taking_over = on
            # What was not said in time is older by now than what the other one says.
            self._states.clear()
            self._sweeps.clear()
            self._removed.clear()
            self._seen = 0

    def changed(self, organization: str, state: UserState) -> None:
        """A user's state is another one."""
        with self._lock:
            if self._publishing:
                name = name_of(organization, state.user.user_id)
                self._removed.discard(name)
                self._states[name] = state

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        with self._lock:
            if self._publishing:
                self._sweeps[organization] = sweep

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Users are not watched any more: their records go from Redis and from standbys."""
        with self._lock:
            if not self._publishing:
                return
            for user_id in user_ids:
                name = name_of(organization, user_id)
                self._states.pop(name, None)
                self._removed.add(name)
            if len(self._removed) > _MOST_REMOVED:
                self._removed.clear()
                self._removals.compare_soon()

    def organization_removed(self, organization: str) -> None:
        """An organization is not configured any more: its records go from Redis and from standbys."""
        with self._lock:
            self._sweeps.pop(organization, None)
            self._removals.compare_soon()

    def step(self) -> float:
        """Exchange once; the seconds until the next time."""
        try:
            if self._publishing:
                self._send()
            else:
                self._receive()
            self._troubled = False
        except LinkError as error:
            self._failed()
            log = _log.debug if self._troubled else _log.warning
            log("state cannot be exchanged with other replicas", detail=str(error))
            self._troubled = True
        return _EVERY

    def _finish(self) -> None:
        # Not if Redis was away a moment ago: the end would have to wait for it.
        if self._publishing and not self._troubled:
            self.step()

    def _send(self) -> None:
        with self._lock:
            states, self._states = self._states, {}
            sweeps, self._sweeps = self._sweeps, {}
            removed, self._removed = self._removed, set()
            taking_over, self._taking_over = self._taking_over, False
        if taking_over:
            self._number = 0
            self._removals = Removals(self._clock)
        try:
            self._publish(states, sweeps, removed)
        except BaseException:
            with self._lock:
                if self._publishing:
                    self._taking_over |= taking_over
                    self._states = {
                        name: one for name, one in states.items() if name not in self._removed
                    } | self._states
                    self._sweeps = sweeps | self._sweeps
                    self._removed |= removed - self._states.keys()
            raise

    def _publish(self, states: dict[bytes, UserState], sweeps: dict[str, Sweep], removed: set[bytes]) -> None:
        number = self._last_number()
        nothing_said = self._number == 0
        if number != self._number:
            # What another one has said, but this one has not read yet.
            self._receive()
        if nothing_said or number < self._number:
            # Redis has been emptied, or this replica has just taken over: say everything.
            states, sweeps = self._all(states, sweeps)
        compare = self._removals.claim(self._known.view())
        try:
            found, removed_sweeps = self._compare(states) if compare else (set(), [])
            # One that was read while its organization was being removed is not published any more.
            states = {name: state for name, state in states.items() if name not in found}
            removed = (removed | found) - states.keys()
            if batch := Batch(states, sweeps, removed, removed_sweeps):
                self._number = self._seen = self._records.write(batch, max(number, self._number))
        except BaseException:
            if compare:
                self._removals.compare_soon()
            raise
        self._removals.buried(removed, states)
        if old := self._removals.expired():
            self._records.forget(old)

    def _all(
        self, states: dict[bytes, UserState], sweeps: dict[str, Sweep]
    ) -> tuple[dict[bytes, UserState], dict[str, Sweep]]:
        organizations = self._known.view().organizations
        watched = {name_of(one.name, state.user.user_id): state for one in organizations for state in one.users}
        states = {name: state for name, state in watched.items() if state.polled} | states
        return states, {one.name: one.sweep for one in organizations if one.sweep is not None} | sweeps

    def _compare(self, states: Iterable[bytes]) -> tuple[set[bytes], list[bytes]]:
        """Who is in Redis, or is about to be, and not watched any more, and which organizations' sweeps."""
        organizations = self._known.view().organizations
        watched = {name_of(one.name, state.user.user_id) for one in organizations for state in one.users}
        unsure = {one.name for one in organizations if not is_listed(one)}
        found = set()
        for name in itertools.chain(
            (one for one in self._records.names() if not self._removals.is_buried(one)), states
        ):
            if name in watched:
                continue
            try:
                organization, _ = read_name(name)
            except UnreadableError:
                self._failed()
                organization = ""
            if organization not in unsure:
                found.add(name)
        for one in organizations:
            if one.name not in unsure:
                self._known.forget_unwatched(one.name)
        configured = {one.name.encode() for one in organizations}
        return found, [name for name in self._records.sweeps() if name not in configured]

    def _receive(self) -> None:
        # Before the states, so that nobody takes a sweep for known whose users are not.
        swept = self._records.sweeps()
        number = self._last_number()
        if number < self._seen:
            self._seen = 0
        # What is published while this replica stands by is newer than what it knows, whatever the clocks say. What was
        # there before, or comes while it polls, may be older.
        always = self._seen > 0 and not self._publishing
        if self._seen == 0:
            # Everything is read: what Redis does not have any more is not needed here either.
            self._known.forget_unwatched()
            self._taken_sweeps = {}
        for name, blob in self._records.changed_since(self._seen):
            self._take(partial(self._take_state, always=always), name, blob)
        for name, blob in swept.items():
            # Once each, so that one that cannot be read is not counted every second.
            if self._taken_sweeps.get(name) != blob:
                self._take(partial(self._take_sweep, always=always), name, blob)
        self._taken_sweeps = swept
        self._seen = number

    def _take_state(self, name: bytes, blob: bytes | None, *, always: bool) -> None:
        organization, user_id = read_name(name)
        if blob is None:
            self._known.forget_unwatched(organization, (user_id,))
        else:
            self._known.take_state(organization, read_state(blob), always=always)

    def _take_sweep(self, name: bytes, blob: bytes | None, *, always: bool) -> None:
        self._known.take_sweep(*read_sweep(name, blob or b""), always=always)

    def _take(self, take: Callable[[bytes, bytes | None], None], name: bytes, blob: bytes | None) -> None:
        """Take a record in; one that this version cannot read, or that meets a defect, costs itself and is counted."""
        try:
            take(name, blob)
        except UnreadableError as error:
            self._failed()
            _log.debug("a record of another replica is left out", detail=str(error))
        except Exception:  # noqa: BLE001 - a defect that one record meets must not keep the others from being read
            self._failed()
            _log.exception("a record of another replica could not be taken in")

    def _last_number(self) -> int:
        try:
            return self._records.number()
        except UnreadableError:
            self._failed()
            return 0
