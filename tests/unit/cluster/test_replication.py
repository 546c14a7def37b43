"""What the leader publishes and a standby applies, with records in memory instead of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from support.builders import NOW, ManualClock, a_state, a_token, a_user

from exporter.cluster.records import Batch, Records, name_of
from exporter.cluster.redis import RedisCallError
from exporter.cluster.replication import Replicator
from exporter.common.worker import Supervisor
from exporter.model.snapshot import Sweep, SweepResult
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

U1, U2 = a_user("u1"), a_user("u2")
SWEEP = Sweep(SweepResult.SUCCESS, 1.0, NOW)


class MemoryRecords:
    """The records of one shard."""

    def __init__(self) -> None:
        self.last = 0
        self.down = False
        self.before_failure: Callable[[], None] = lambda: None
        self.states: dict[bytes, tuple[int, bytes | None]] = {}
        self.last_sweeps: dict[bytes, bytes] = {}

    def number(self) -> int:
        if self.down:
            self.before_failure()
            raise RedisCallError("down")
        return self.last

    def sweeps(self) -> dict[bytes, bytes]:
        if self.down:
            raise RedisCallError("down")
        return dict(self.last_sweeps)

    def names(self) -> list[bytes]:
        return list(self.states)

    def changed_since(self, number: int) -> Iterator[tuple[bytes, bytes | None]]:
        yield from [(name, blob) for name, (at, blob) in self.states.items() if at > number]

    def write(self, batch: Batch, above: int) -> int:
        self.last = above + 1
        for name, state in batch.states.items():
            self.states[name] = self.last, msgspec.msgpack.encode(state)
        for name in batch.removed:
            self.states[name] = self.last, None
        for organization_name in batch.removed_sweeps:
            self.last_sweeps.pop(organization_name, None)
        for organization, sweep in batch.sweeps.items():
            self.last_sweeps[organization.encode()] = msgspec.msgpack.encode(sweep)
        return self.last

    def forget(self, names: Collection[bytes]) -> None:
        for name in names:
            del self.states[name]


class Replica:
    def __init__(self, records: MemoryRecords, *, leads: bool) -> None:
        self.failures = 0
        clock = ManualClock()
        self.store = Store()
        self.ledger = Ledger("acme", (U1, U2), since=NOW)
        self.store.replace([self.ledger])
        self.replicator = Replicator(
            cast("Records", records), self.store, self._failed, Supervisor(lambda _: None, clock), clock
        )
        self.replicator.publish(leads)

    def _failed(self) -> None:
        self.failures += 1


def test_a_standby_applies_what_the_leader_publishes() -> None:
    records = MemoryRecords()
    leader, standby = Replica(records, leads=True), Replica(records, leads=False)
    state = a_state(a_token(), user=U1)
    leader.replicator.changed("acme", state)
    leader.replicator.swept("acme", SWEEP)
    leader.replicator.step()
    standby.replicator.step()
    assert standby.ledger.state("u1") == state
    assert standby.ledger.view().sweep == SWEEP


def test_changes_wait_while_redis_is_unavailable() -> None:
    records = MemoryRecords()
    leader = Replica(records, leads=True)
    leader.replicator.changed("acme", a_state(user=U1))
    records.down = True
    leader.replicator.step()
    assert (leader.failures, records.states) == (1, {})
    records.down = False
    leader.replicator.step()
    assert set(records.states) == {name_of("acme", "u1")}


def test_the_sweep_of_an_organization_removed_while_redis_hangs_is_not_published() -> None:
    records = MemoryRecords()
    leader = Replica(records, leads=True)
    leader.replicator.step()
    leader.replicator.swept("acme", SWEEP)

    def remove_acme() -> None:
        leader.store.replace([Ledger("globex", (), since=NOW)])
        leader.replicator.organization_removed("acme")

    records.down, records.before_failure = True, remove_acme
    leader.replicator.step()
    records.down = False
    leader.replicator.step()
    leader.replicator.step()
    assert records.last_sweeps == {}


def test_a_removed_user_leaves_a_mark_for_standbys() -> None:
    records = MemoryRecords()
    leader = Replica(records, leads=True)
    leader.replicator.changed("acme", a_state(user=U1))
    leader.replicator.step()
    leader.replicator.removed("acme", ["u1"])
    leader.replicator.step()
    assert records.states == {name_of("acme", "u1"): (2, None)}


def test_an_unreadable_record_is_counted_and_costs_no_other() -> None:
    records = MemoryRecords()
    leader, standby = Replica(records, leads=True), Replica(records, leads=False)
    leader.replicator.changed("acme", a_state(user=U2))
    leader.replicator.step()
    records.states[name_of("acme", "u1")] = (1, b"damaged")
    standby.replicator.step()
    assert standby.failures == 1
    state = standby.ledger.state("u2")
    assert state is not None
    assert state.polled
