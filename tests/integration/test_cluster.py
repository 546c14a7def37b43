"""Shards and replicas that share a real Redis, which comes and goes."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml
from support.builders import NOW, a_failure, a_token
from support.redis import RedisServer
from support.running import Exporter, a_record, a_simulator, free_port, wait_until, write_config
from support.updates import calls

from exporter.cluster.leadership import Role
from exporter.cluster.lease import Lease, RedisLock
from exporter.cluster.rate import SharedPacer
from exporter.cluster.records import Records
from exporter.cluster.redis import RedisClient
from exporter.cluster.replication import Replicator
from exporter.common.cancellation import Stop
from exporter.common.clock import SystemClock
from exporter.common.redaction import Redactor
from exporter.common.worker import Supervisor
from exporter.config.redis import Redis as RedisSection
from exporter.config.settings import RedisSettings
from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model.state import UserState

LEASE = 1.0


@pytest.fixture
def server(redis_server: str, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(redis_server, tmp_path, free_port()).ready() as running:
        yield running


def a_link(port: int) -> RedisClient:
    return RedisClient(RedisSettings(RedisSection(url=f"redis://127.0.0.1:{port}/0"), None), Redactor())


@contextmanager
def linked(port: int) -> Iterator[RedisClient]:
    link = a_link(port)
    yield link
    link.close()


@contextmanager
def a_client(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


def supervised() -> Supervisor:
    return Supervisor(crashed.append, SystemClock())


crashed: list[str] = []


@pytest.fixture(autouse=True)
def no_crash() -> Iterator[None]:
    crashed.clear()
    yield
    assert crashed == []


def at_once(_: Stop) -> None:
    """Holds no request back."""


def granted(pacers: list[SharedPacer], seconds: float) -> list[float]:
    """The times at which the workers of several processes got turns, within a number of seconds."""
    times: list[float] = []
    stop = Stop()

    def ask(pacer: SharedPacer) -> None:
        while not stop.is_set():
            pacer.acquire(stop)
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask, args=(pacer,), daemon=True) for pacer in pacers for _ in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)  # they end by StoppedError
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join(2)
    return sorted(times)


def most_within(seconds: float, times: list[float]) -> int:
    return max(sum(start <= at < start + seconds for at in times) for start in times)


def test_three_processes_share_one_rate(server: RedisServer) -> None:
    with ExitStack() as stack:
        links = [stack.enter_context(linked(server.port)) for _ in range(3)]
        times = granted([SharedPacer(20, 3, "rate", link, SystemClock(), at_once) for link in links], 4)
    # of 20 a second 18.8 are given out, evenly; a thread may note its turn a little late
    assert most_within(2, times) <= 2 * 20
    assert most_within(0.5, times) <= 12
    # 18.8 * 4 = 75; fewer only where the machine is busy
    assert len(times) >= 64


def test_while_redis_is_unavailable_each_process_keeps_to_its_share(server: RedisServer) -> None:
    with linked(server.port) as link:
        pacer = SharedPacer(20, 4, "rate", link, SystemClock(), at_once)
        server.kill()
        times = granted([pacer], 3)
    # a quarter of 20, for three seconds
    assert most_within(1, times[1:]) <= 6
    assert 12 <= len(times) <= 17


class Replica:
    """A lease and what it said."""

    def __init__(self, port: int) -> None:
        self.roles: list[Role] = []
        self.link = a_link(port)
        self.up: list[bool] = []
        self.lease = Lease(
            RedisLock(self.link, "leader", LEASE), LEASE, self.roles.append, self.up.append, supervised(), SystemClock()
        )
        self.lease.start()

    @property
    def role(self) -> Role:
        return self.roles[-1] if self.roles else Role.STANDBY

    def vanish(self) -> None:
        """End as a process does that is killed: the lock stays behind."""
        self.lease._worker.stop()


def roles(*replicas: Replica) -> list[Role]:
    return sorted(one.role for one in replicas)


def test_of_two_replicas_one_leads_and_the_other_takes_over(server: RedisServer) -> None:
    first = Replica(server.port)
    wait_until(lambda: first.role is Role.LEADER)
    second, third = Replica(server.port), Replica(server.port)
    time.sleep(2 * LEASE)
    assert roles(first, second, third) == [Role.LEADER, Role.STANDBY, Role.STANDBY]
    # Nothing but that: a role that changes back and forth would stop and start all polling.
    assert (first.roles, second.roles, third.roles) == ([Role.LEADER], [], [])
    first.vanish()
    killed = time.monotonic()
    wait_until(lambda: Role.LEADER in roles(second, third))
    assert time.monotonic() - killed < 2 * LEASE
    for one in (first, second, third):
        one.lease.stop()
        one.link.close()


def test_a_replica_that_stops_cleanly_releases_the_lock_at_once(server: RedisServer) -> None:
    first = Replica(server.port)
    wait_until(lambda: first.role is Role.LEADER)
    second = Replica(server.port)
    first.lease.stop()
    stopped = time.monotonic()
    wait_until(lambda: second.role is Role.LEADER)
    assert time.monotonic() - stopped < LEASE / 2
    second.lease.stop()
    for one in (first, second):
        one.link.close()


def test_without_redis_the_leader_continues_and_the_standby_polls_after_two_leases(
    redis_server: str, tmp_path: Path
) -> None:
    port = free_port()
    with RedisServer(redis_server, tmp_path, port).ready() as server:
        first = Replica(port)
        wait_until(lambda: first.role is Role.LEADER)
        second = Replica(port)
        time.sleep(LEASE)
        server.kill()
    gone = time.monotonic()
    wait_until(lambda: second.role is Role.ALONE)
    assert time.monotonic() - gone >= 2 * LEASE - 0.5  # it was heard of a quarter of a lease before at most
    assert first.role is Role.LEADER
    assert (first.up[-1], second.up[-1]) == (False, False)
    with RedisServer(redis_server, tmp_path, port).ready():
        wait_until(lambda: roles(first, second) == [Role.LEADER, Role.STANDBY])
        for one in (first, second):
            one.lease.stop()
            one.link.close()


USERS = [User(f"u{number}", f"user {number}") for number in range(5)]


class Replicating:
    """Passes the updates of a ledger to a replicator, as the daemon does."""

    def __init__(self, replicator: Replicator) -> None:
        self.replicator = replicator

    def changed(self, organization: str, _: UserState, state: UserState) -> None:
        self.replicator.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        self.replicator.swept(organization, sweep)

    def own_token(self, organization: str, expires_at: float | None) -> None:
        pass


class Process:
    """A store with its replicator."""

    def __init__(self, port: int, *, publishes: bool) -> None:
        self.store = Store()
        self.link = a_link(port)
        self.errors: list[int] = []
        self.replicator = Replicator(
            Records(self.link, "shard"), self.store, lambda: self.errors.append(1), supervised(), SystemClock()
        )
        self.ledger = Ledger("acme", USERS, since=NOW, publish=calls(Replicating(self.replicator)))
        self.store.replace([self.ledger])
        self.replicator.publish(publishes)
        self.replicator.start()

    def end(self) -> None:
        self.replicator.stop()
        self.link.close()

    def knows(self, user_id: str) -> Any:
        return self.ledger.state(user_id)


def test_a_standby_receives_the_state_of_the_leader(server: RedisServer) -> None:
    leader, standby = Process(server.port, publishes=True), Process(server.port, publishes=False)
    leader.ledger.succeeded("u0", (a_token(),), NOW)
    leader.ledger.failed("u1", a_failure(), NOW)
    sweep = Sweep(SweepResult.PARTIAL, 1.5, NOW)
    leader.ledger.swept(sweep)
    wait_until(lambda: standby.ledger.view().sweep == sweep)
    assert standby.knows("u0") == leader.knows("u0")
    assert standby.knows("u1") == leader.knows("u1")
    assert not standby.knows("u2").polled
    leader.ledger.succeeded("u0", (), NOW + 60)
    wait_until(lambda: standby.knows("u0").tokens == ())
    # What a standby serves is its view.
    assert standby.ledger.view().users[0] == standby.knows("u0")
    leader.end()
    standby.end()


def test_an_unreadable_record_is_skipped_and_counted(server: RedisServer) -> None:
    leader, standby = Process(server.port, publishes=True), Process(server.port, publishes=False)
    leader.ledger.succeeded("u0", (a_token(),), NOW)
    wait_until(lambda: standby.knows("u0").polled)
    with a_client(server.port) as client:
        client.hset("shard:sweeps", "acme", b"\xc1")
        wait_until(lambda: standby.errors)
        client.set("shard:number", "abc")
        time.sleep(1.5)
        client.set("shard:number", 1)
        client.hdel("shard:sweeps", "acme")
    leader.ledger.succeeded("u0", (), NOW + 60)
    leader.ledger.swept(Sweep(SweepResult.SUCCESS, 1.0, NOW + 60))
    wait_until(lambda: standby.knows("u0").tokens == ())
    wait_until(lambda: standby.ledger.view().sweep is not None)
    leader.end()
    standby.end()


def test_states_of_unknown_users_are_kept_until_the_users_are_known(server: RedisServer) -> None:
    leader = Process(server.port, publishes=True)
    leader.ledger.succeeded("u0", (a_token(),), NOW)
    standby = Process(server.port, publishes=False)
    standby.ledger.watch(())
    standby.ledger.discovered(Discovery())
    with a_client(server.port) as client:
        wait_until(lambda: client.get("shard:number"))
        time.sleep(1.5)
        standby.replicator.publish(True)  # takes over before it knows anybody
        time.sleep(1.5)
        assert client.hlen("shard:states") == 1
    standby.ledger.watch(USERS)
    assert standby.knows("u0") == leader.knows("u0")
    leader.end()
    standby.end()


def test_everything_is_published_again_after_redis_was_emptied(redis_server: str, tmp_path: Path) -> None:
    port = free_port()
    with RedisServer(redis_server, tmp_path, port).ready() as server:
        leader = Process(port, publishes=True)
        leader.ledger.succeeded("u0", (a_token(),), NOW)
        with a_client(port) as client:
            wait_until(lambda: client.get("shard:number"))
        server.kill()
        leader.ledger.succeeded("u1", (a_token(),), NOW)
    with RedisServer(redis_server, tmp_path, port).ready():
        standby = Process(port, publishes=False)
        wait_until(lambda: standby.knows("u0").polled and standby.knows("u1").polled)
        leader.end()
        standby.end()


def test_a_new_leader_without_state_first_reads_what_was_published(server: RedisServer) -> None:
    before = Process(server.port, publishes=True)
    before.ledger.succeeded("u0", (a_token(),), NOW)
    with a_client(server.port) as client:
        wait_until(lambda: client.get("shard:number"))
    before.end()
    after = Process(server.port, publishes=True)
    wait_until(lambda: after.knows("u0").polled)
    assert after.knows("u0") == before.knows("u0")
    after.end()


def with_redis(folder: Path, platform: Any, users: list[str], port: int, **limits: Any) -> Path:
    config = write_config(folder, platform, users, limits={"concurrency": 8, **limits})
    data = yaml.safe_load(config.read_text())
    data["redis"] = {"url": f"redis://127.0.0.1:{port}/0", "lease": "1s"}
    config.write_text(yaml.safe_dump(data))
    return config


def test_a_replica_whose_leader_is_killed_serves_all_the_time_and_polls_within_two_leases(
    server: RedisServer, tmp_path: Path
) -> None:
    users = [f"u{number}" for number in range(20)]
    with a_simulator({user: [a_record(f"pt-{user}")] for user in users}) as platform:
        config = with_redis(tmp_path, platform, users, server.port, requests_per_second=None)
        with Exporter(config).ready() as first, Exporter(config).ready() as second:
            # the second is ready though it has asked for nothing
            assert first.samples()["yunxiao_exporter_leader"] == 1
            samples = second.samples()
            assert samples["yunxiao_exporter_leader"] == 0
            assert samples['yunxiao_sweeps_total{organization="acme",result="success"}'] == 0
            assert [name.startswith("yunxiao_user_up") for name in samples].count(True) == 20
            assert platform.overlaps() == 0
            first.signal(signal.SIGKILL)
            first.ended()
            killed, asked = time.monotonic(), platform.requests("u0")
            served = 20
            while platform.requests("u0") == asked:
                names = [name for name in second.samples() if name.startswith("yunxiao_user_up")]
                served = min(served, len(names))
                assert time.monotonic() - killed < 5
            assert time.monotonic() - killed < 2 * LEASE + 1  # and the time to notice
            assert served == 20
            wait_until(lambda: second.samples()["yunxiao_exporter_leader"] == 1)
            assert second.samples()["yunxiao_exporter_redis_up"] == 1


def test_shards_together_are_one_big_exporter_and_keep_to_one_rate(server: RedisServer, tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(90)]
    tokens = {user: [a_record(f"pt-{user}"), a_record(f"pt-{user}-2", expires_in=None)] for user in users}
    with a_simulator(tokens) as platform, ExitStack() as stack:
        config = with_redis(tmp_path, platform, users, server.port, requests_per_second=50)
        shards = [stack.enter_context(Exporter(config, "--shard", f"{number}/3")) for number in range(3)]
        for one in shards:
            one.ready()
        time.sleep(2)
        assert platform.busiest_second() <= 50
        parts = [about_users(one) for one in shards]
        platform_alone = tmp_path / "alone"
        platform_alone.mkdir()
        alone = stack.enter_context(
            Exporter(write_config(platform_alone, platform, users, limits={"requests_per_second": None}))
        )
        whole = about_users(alone.ready())
        counts = Counter(itertools.chain.from_iterable(parts))
        assert max(counts.values()) == 1
        assert counts.keys() == whole
        label = 'yunxiao_users{{organization="acme",shard="{}/3"}}'
        assert sum(one.samples()[label.format(number)] for number, one in enumerate(shards)) == 90


def about_users(exporter: Exporter) -> set[str]:
    """The series about users and tokens, without their values."""
    return {name for name in exporter.samples() if "user_id=" in name}


def test_a_redis_that_is_down_at_the_start_delays_the_first_sweep_by_two_leases(tmp_path: Path) -> None:
    with a_simulator({"A": [a_record()]}) as platform:
        config = with_redis(tmp_path, platform, ["A"], free_port(), requests_per_second=50)
        with Exporter(config) as exporter:
            wait_until(partial(exporter.answers, "/-/healthy"))
            assert not exporter.answers("/-/ready")
            exporter.ready()
            assert exporter.samples()["yunxiao_exporter_redis_up"] == 0
            assert "Redis is unavailable" in exporter.output
            exporter.signal(signal.SIGTERM)
            assert exporter.ended() == 0
