"""Redis and standbys drop users that are no longer watched; an unreadable record costs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from support.builders import NOW, a_token
from support.redis import RedisServer
from support.running import free_port
from support.updates import calls

from exporter.cluster.records import Records, name_of
from exporter.cluster.redis import RedisClient
from exporter.cluster.replication import Replicator
from exporter.common.redaction import Redactor
from exporter.common.worker import Supervisor
from exporter.config.redis import Redis as RedisSection
from exporter.config.settings import RedisSettings
from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.state import UserState
from exporter.model.user import Owner, User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SWEEP = Sweep(SweepResult.SUCCESS, 1.0, NOW)


class FakeClock:
    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def server(redis_server: str, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(redis_server, tmp_path, free_port()).ready() as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port) as client:
        yield client


def a_user(number: int) -> User:
    return User(f"u{number}", f"user {number}", owner=Owner(email=f"u{number}@example.com"))


_links: list[RedisClient] = []


@pytest.fixture(autouse=True)
def _closed_links() -> Iterator[None]:
    yield
    while _links:
        _links.pop().close()


class Replica:
    """A store with its replicator, which runs step by step."""

    def __init__(self, port: int, users: int, *, leads: bool, organization: str = "acme") -> None:
        self.store = Store()
        self.clock = FakeClock()
        self.errors = 0
        self.link = RedisClient(RedisSettings(RedisSection(url=f"redis://127.0.0.1:{port}/0"), None), Redactor())
        _links.append(self.link)
        self.replicator = Replicator(
            Records(self.link, "shard"), self.store, self._failed, Supervisor(lambda _: None, self.clock), self.clock
        )
        watched = [a_user(number) for number in range(users)]
        self.ledger = Ledger(organization, watched, since=NOW, publish=calls(self))
        self.store.replace([self.ledger])
        self.replicator.publish(leads)

    def _failed(self) -> None:
        self.errors += 1

    def changed(self, organization: str, _: UserState, state: UserState) -> None:
        self.replicator.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        self.replicator.swept(organization, sweep)

    def own_token(self, organization: str, expires_at: float | None) -> None:
        pass

    def poll(self, *user_ids: str, at: float = NOW) -> None:
        for user_id in user_ids or [user.user_id for user in self.ledger.users()]:
            self.ledger.succeeded(user_id, (a_token(),), at)

    def step(self) -> None:
        self.replicator.step()

    def knows(self, user_id: str) -> Any:
        return self.ledger.state(user_id)

    @property
    def elsewhere(self) -> set[str]:
        return set(self.ledger._unwatched)


def in_redis(client: Any) -> set[bytes]:
    return set(client.hkeys("shard:states"))


def names(*numbers: int) -> set[bytes]:
    return {name_of("acme", f"u{number}") for number in numbers}


def test_removed_users_leave_redis_and_standbys_at_once(server: RedisServer, client: redis.Redis) -> None:
    leader, standby = Replica(server.port, 4, leads=True), Replica(server.port, 1, leads=False)
    leader.poll()
    leader.step()
    standby.step()
    assert in_redis(client) == names(0, 1, 2, 3)
    assert standby.elsewhere == {"u1", "u2", "u3"}
    leader.ledger.watch([a_user(0), a_user(3)])
    leader.replicator.removed("acme", ["u1", "u2"])
    leader.step()
    standby.step()
    assert in_redis(client) == names(0, 3)
    assert standby.elsewhere == {"u3"}
    assert not any(b"u1@example.com" in blob for blob in client.hvals("shard:states"))
    # their ids stay for ten minutes, for standbys to see
    assert set(client.zrange("shard:order", 0, -1)) == names(0, 1, 2, 3)
    leader.clock.time += 600.0
    leader.step()
    assert set(client.zrange("shard:order", 0, -1)) == names(0, 3)
    assert (leader.errors, standby.errors) == (0, 0)


def test_a_standby_follows_a_leader_whose_clock_was_set_back(server: RedisServer) -> None:
    leader, standby = Replica(server.port, 1, leads=True), Replica(server.port, 1, leads=False)
    leader.poll(at=NOW + 21_600)
    leader.step()
    standby.step()
    assert standby.knows("u0").last_success == NOW + 21_600
    leader.poll(at=NOW)
    leader.step()
    standby.step()
    assert standby.knows("u0").last_success == NOW


def test_a_user_that_comes_back_is_published_again(server: RedisServer, client: redis.Redis) -> None:
    leader, standby = Replica(server.port, 2, leads=True), Replica(server.port, 2, leads=False)
    leader.poll()
    leader.step()
    leader.replicator.removed("acme", ["u1"])
    leader.poll("u1", at=NOW + 60)  # before it was published
    leader.step()
    leader.replicator.removed("acme", ["u0"])
    leader.step()
    leader.poll("u0", at=NOW + 60)
    leader.step()
    standby.step()
    assert in_redis(client) == names(0, 1)
    assert [standby.knows(user).last_success for user in ("u0", "u1")] == [NOW + 60, NOW + 60]
    leader.clock.time += 600.0
    leader.step()
    assert in_redis(client) == names(0, 1)


def test_removals_wait_while_redis_is_unavailable(redis_server: str, tmp_path: Path) -> None:
    port = free_port()
    with RedisServer(redis_server, tmp_path, port, "--appendonly", "yes").ready():
        leader = Replica(port, 3, leads=True)
        leader.poll()
        leader.step()
    leader.replicator.removed("acme", ["u2"])
    leader.step()
    assert leader.errors == 1
    with RedisServer(redis_server, tmp_path, port, "--appendonly", "yes").ready(), redis.Redis(port=port) as client:
        assert in_redis(client) == names(0, 1, 2)
        leader.step()
        assert in_redis(client) == names(0, 1)


def test_a_new_leader_removes_users_that_are_no_longer_watched(server: RedisServer, client: redis.Redis) -> None:
    before = Replica(server.port, 5, leads=True)
    before.poll()
    before.ledger.swept(SWEEP)
    before.step()
    client.hset("shard:sweeps", "gone", b"x")
    client.hset("shard:states", name_of("gone", "u1"), b"x")
    client.zadd("shard:order", {name_of("gone", "u1"): 1, b"\xc1": 1})
    after = Replica(server.port, 2, leads=True)
    after.step()
    assert in_redis(client) == names(0, 1)
    assert client.hkeys("shard:sweeps") == [b"acme"]
    assert after.elsewhere == set()


def test_a_new_leader_removes_no_user_before_its_own_discovery_works(server: RedisServer, client: redis.Redis) -> None:
    before = Replica(server.port, 3, leads=True)
    before.poll()
    before.step()
    after = Replica(server.port, 1, leads=True)
    for discovery in (Discovery(), Discovery(users=1), Discovery(up=False, users=1)):
        after.ledger.discovered(discovery)
        after.step()
        assert in_redis(client) == names(0, 1, 2)
        assert after.elsewhere == {"u1", "u2"}
    after.ledger.watch([a_user(0), a_user(2)])
    after.ledger.discovered(Discovery(up=True, users=2))
    after.step()
    assert in_redis(client) == names(0, 2)
    assert after.knows("u2").last_success == NOW


def test_a_removed_organization_leaves_redis(server: RedisServer, client: redis.Redis) -> None:
    leader = Replica(server.port, 2, leads=True)
    leader.poll()
    leader.ledger.swept(SWEEP)
    leader.step()
    renamed = Ledger("acme-two", [a_user(0)], since=NOW, publish=calls(leader))
    leader.store.replace([renamed])
    leader.replicator.organization_removed("acme")
    renamed.succeeded("u0", (), NOW)
    leader.poll("u1")  # was under way during the reload
    leader.step()
    assert in_redis(client) == {name_of("acme-two", "u0")}
    assert client.hkeys("shard:sweeps") == []


def test_one_invalid_record_costs_no_other(server: RedisServer, client: redis.Redis) -> None:
    leader, standby = Replica(server.port, 4, leads=True), Replica(server.port, 4, leads=False)
    leader.poll()
    leader.ledger.swept(SWEEP)
    leader.step()
    client.hset("shard:states", name_of("acme", "u1"), b"\xc1")
    client.zadd("shard:order", {b"no name": 2**52})
    client.hset("shard:states", b"no name", b"\xc1")
    client.hset("shard:sweeps", b"\xff", b"x")
    standby.step()
    assert [standby.knows(f"u{number}").polled for number in range(4)] == [True, False, True, True]
    assert standby.ledger.view().sweep == SWEEP
    assert standby.errors == 3
    client.zrem("shard:order", b"no name")
    standby.step()
    assert standby.errors == 3  # counted once, not every second


def test_a_record_that_meets_a_defect_costs_no_other(server: RedisServer) -> None:
    leader, standby = Replica(server.port, 3, leads=True), Replica(server.port, 3, leads=False)
    leader.poll()
    leader.step()
    take = standby.store.take_state

    def defect(organization: str, state: UserState, *, always: bool = False) -> None:
        if state.user.user_id == "u0":
            raise ZeroDivisionError
        take(organization, state, always=always)

    standby.store.take_state = defect  # type: ignore[method-assign]
    standby.step()
    assert [standby.knows(f"u{number}").polled for number in range(3)] == [False, True, True]
    assert standby.errors == 1


def test_an_invalid_batch_number_is_replaced_and_everything_published_again(
    server: RedisServer, client: redis.Redis
) -> None:
    leader, standby = Replica(server.port, 2, leads=True), Replica(server.port, 2, leads=False)
    leader.poll()
    leader.step()
    standby.step()
    for text in ("abc", "-1", "9" * 5000, "1e5", "NaN"):
        client.set("shard:number", text)
        standby.step()
        leader.poll("u0", at=NOW + 60)
        leader.step()
        standby.step()
        assert standby.knows("u0").last_success == NOW + 60
        assert int(client.get("shard:number") or 0) > 1_700_000_000_000


def test_a_failover_that_lost_the_last_batch_is_repaired(server: RedisServer, client: redis.Redis) -> None:
    leader, standby = Replica(server.port, 2, leads=True), Replica(server.port, 2, leads=False)
    leader.poll("u0")
    leader.step()
    lost = client.get("shard:number"), client.dump("shard:states"), client.dump("shard:order")
    leader.poll("u1")
    leader.step()
    standby.step()
    client.delete("shard:states", "shard:order")
    client.set("shard:number", lost[0] or b"")
    client.restore("shard:states", 0, lost[1] or b"")
    client.restore("shard:order", 0, lost[2] or b"")
    fresh = Replica(server.port, 2, leads=False)
    leader.step()
    fresh.step()
    assert fresh.knows("u1").polled
    leader.poll("u0", at=NOW + 60)
    leader.step()
    standby.step()
    assert standby.knows("u0").last_success == NOW + 60


def saved(client: Any) -> dict[str, Any]:
    """What Redis would have after a restart that loses everything later."""
    return {key: client.dump(key) for key in ("shard:number", "shard:states", "shard:order", "shard:sweeps")}


def restore(client: Any, snapshot: dict[str, Any]) -> None:
    for key, value in snapshot.items():
        client.delete(key)
        if value is not None:
            client.restore(key, 0, value)


def test_a_user_that_an_old_snapshot_of_redis_brings_back_is_removed_again(
    server: RedisServer, client: redis.Redis
) -> None:
    leader = Replica(server.port, 2, leads=True)
    leader.poll()
    leader.step()
    snapshot = saved(client)
    leader.ledger.watch([a_user(0)])
    leader.replicator.removed("acme", ["u1"])
    leader.step()
    assert in_redis(client) == names(0)
    restore(client, snapshot)
    assert in_redis(client) == names(0, 1)
    leader.step()
    assert in_redis(client) == names(0)


def test_an_old_snapshot_of_redis_replaces_no_state_that_a_replica_knows(
    server: RedisServer, client: redis.Redis
) -> None:
    leader, standby = Replica(server.port, 1, leads=True), Replica(server.port, 1, leads=False)
    # The clock is six hours ahead when Redis writes its snapshot, and is set right afterwards.
    leader.poll(at=NOW + 21_600)
    leader.ledger.swept(Sweep(SweepResult.SUCCESS, 1.0, NOW + 21_600))
    leader.step()
    snapshot = saved(client)
    leader.poll(at=NOW)
    leader.ledger.swept(Sweep(SweepResult.SUCCESS, 1.0, NOW))
    leader.step()
    standby.step()
    restore(client, snapshot)
    standby.step()
    leader.step()
    fresh = Replica(server.port, 1, leads=False)
    for replica in (standby, fresh):
        replica.step()
    for replica in (leader, standby, fresh):
        assert replica.knows("u0").last_success == NOW
        assert replica.store.view().organizations[0].sweep == Sweep(SweepResult.SUCCESS, 1.0, NOW)


def test_a_role_that_returns_at_once_loses_no_change(server: RedisServer) -> None:
    leader, standby = Replica(server.port, 2, leads=True), Replica(server.port, 2, leads=False)
    leader.poll()
    leader.step()
    leader.poll("u0", at=NOW + 60)
    leader.replicator.publish(False)
    leader.replicator.publish(True)
    leader.step()
    standby.step()
    assert standby.knows("u0").last_success == NOW + 60


def test_what_a_standby_keeps_of_unwatched_users_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.state.ledger._MOST_UNWATCHED", 3)
    ledger = Ledger("acme", [])
    for number in (0, 1, 2, 0, 3):
        ledger.take(UserState(a_user(number)).succeeded((), NOW))
    assert list(ledger._unwatched) == ["u2", "u0", "u3"]
