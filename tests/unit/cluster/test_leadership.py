"""Which replica leads, over simulated time: real leases and their rules, with a simulated Redis, network and clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from structlog.testing import capture_logs

from exporter.cluster.leadership import Leadership, Role
from exporter.cluster.lease import Lease
from exporter.cluster.redis import RedisCallError
from exporter.common.worker import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE = 12.0
TICK = 0.5
TWO_AT_MOST = 2 * LEASE
NONE_AT_MOST = 3 * LEASE


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of simulated failovers would fill the log."""
    with capture_logs():
        yield


def test_a_standby_polls_after_two_leases_without_an_answer_from_redis() -> None:
    leadership = Leadership(10.0, 100.0)
    assert leadership.failed(119.9) is Role.STANDBY
    assert leadership.failed(120.0) is Role.ALONE
    assert leadership.answered(125.0, 125.1, held=False) is Role.STANDBY
    assert leadership.failed(145.0) is Role.STANDBY  # 19.9 s after the answer
    assert leadership.failed(145.1) is Role.ALONE


def test_a_lock_is_valid_for_one_lease_from_before_the_check() -> None:
    leadership = Leadership(10.0, 0.0)
    assert not leadership.is_current(0.0)
    leadership.answered(1.0, 3.0, held=True)
    assert leadership.is_current(10.9)
    assert not leadership.is_current(11.0)


def test_a_leader_continues_while_checks_fail_but_not_after_a_pause() -> None:
    leadership = Leadership(10.0, 0.0)
    leadership.answered(0.0, 0.0, held=True)
    for second in (5.0, 13.0, 21.0):
        assert leadership.failed(second) is Role.LEADER
    assert leadership.is_current(30.9)
    assert not leadership.is_current(31.0)
    leadership.answered(31.0, 31.0, held=False)
    assert not leadership.is_current(31.0)


@dataclass
class Server:
    """The lock in Redis."""

    holder: str | None = None
    until: float = 0.0


@dataclass
class World:
    """What all replicas share."""

    now: float = 0.0
    redis_up: bool = True
    server: Server = field(default_factory=Server)
    seconds_a_check: float = 0.0


class Replica:
    """A process with a lease, which may crash, sleep, or lose its way to Redis. It is its own clock and lock."""

    def __init__(self, number: int, world: World) -> None:
        self.number = number
        self.world = world
        self.runs = 0
        self.paused = False
        self.cut_off = False
        self.stale_connection = False
        self.start()

    def start(self) -> None:
        self.runs += 1
        self.alive = True
        self.ahead = 0.0
        self.fine_since = self.next_check = self.busy_until = self.world.now
        self.before: tuple[bool, float] = (False, 0.0)
        self.lease = Lease(self, LEASE, lambda _: None, lambda _: None, Supervisor(lambda _: None, self), self)

    def monotonic(self) -> float:
        return self.world.now + self.ahead

    def reachable(self) -> bool:
        return self.world.redis_up and not self.cut_off

    def hold(self) -> bool:
        self.ahead += self.world.seconds_a_check
        if not self.reachable():
            raise RedisCallError("no answer")
        if self.stale_connection:
            self.stale_connection = False
            raise RedisCallError("READONLY")
        server, me = self.world.server, f"{self.number} run {self.runs}"
        if server.holder not in {None, me} and server.until > self.world.now:
            return False
        server.holder, server.until = me, self.world.now + LEASE
        return True

    def release(self) -> None:
        raise AssertionError("nothing here gives the lock up")

    def run(self) -> None:
        """Check, if it is time to. What follows from it holds when the check has ended."""
        if self.alive and not self.paused and self.next_check <= self.world.now:
            self.before = (self._polls(), self.lease._leadership._good_until)
            pause = self.lease.step()
            self.busy_until = self.world.now + self.ahead
            self.next_check = self.busy_until + pause
            self.ahead = 0.0

    def _polls(self) -> bool:
        return self.lease._reported.polls

    def polls(self) -> bool:
        """Whether requests of sweeps go out."""
        if not self.running:
            return False
        if self.world.now < self.busy_until:
            polled, until = self.before
            return polled and self.world.now < until
        return self._polls() and self.lease._certain()

    @property
    def running(self) -> bool:
        return self.alive and not self.paused


class Failover(RuleBasedStateMachine):
    """Two or three replicas and whatever happens to them."""

    @initialize(count=st.integers(2, 3))
    def begin(self, count: int) -> None:
        self.world = World()
        self.replicas = [Replica(number, self.world) for number in range(count)]
        self.disturbed = self.none_since = 0.0

    @rule(ticks=st.integers(1, 120))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.world.now += TICK
            # As a request that was waiting would find it: before this tick's checks.
            self.check()
            for one in self.replicas:
                one.run()
            self.check()

    def check(self) -> None:
        now = self.world.now
        polling = [one.number for one in self.replicas if one.polls()]
        if polling:
            self.none_since = now
        if all(one.reachable() for one in self.replicas) and now - self.disturbed > TWO_AT_MOST:
            assert len(polling) <= 1, f"{polling} poll {now - self.disturbed} s after the last disturbance"
        fine = [one.fine_since for one in self.replicas if one.running]
        if fine:
            since = max(self.none_since, min(fine), self.disturbed)
            assert now - since <= NONE_AT_MOST, f"none polls for {now - since} s"

    def replica(self, number: int) -> Replica:
        return self.replicas[number % len(self.replicas)]

    @rule(number=st.integers(0, 2))
    def crash(self, number: int) -> None:
        self.replica(number).alive = False

    @rule(number=st.integers(0, 2))
    def restart(self, number: int) -> None:
        self.replica(number).paused = False
        self.replica(number).start()

    @rule(number=st.integers(0, 2))
    def pause(self, number: int) -> None:
        self.replica(number).paused = True

    @rule(number=st.integers(0, 2))
    def resume(self, number: int) -> None:
        one = self.replica(number)
        if one.paused:
            one.paused = False
            one.fine_since = self.world.now
            self.check()

    @rule(number=st.integers(0, 2), ticks=st.integers(1, 120))
    def freeze(self, number: int, ticks: int) -> None:
        self.pause(number=number)
        self.time_passes(ticks=ticks)
        self.resume(number=number)

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0]))
    def checks_take(self, seconds: float) -> None:
        self.world.seconds_a_check = seconds

    @precondition(lambda self: self.world.redis_up)
    @rule()
    def redis_goes_down(self) -> None:
        self.world.redis_up = False
        self.disturbed = self.world.now

    @precondition(lambda self: not self.world.redis_up)
    @rule(emptied=st.booleans())
    def redis_comes_up(self, emptied: bool) -> None:  # noqa: FBT001 - a strategy's value
        self.world.redis_up = True
        if emptied:
            self.world.server = Server()
        self.disturbed = self.world.now

    @rule(lock_known=st.booleans())
    def redis_fails_over(self, lock_known: bool) -> None:  # noqa: FBT001
        if not lock_known:
            self.world.server = Server()
        for one in self.replicas:
            one.stale_connection = True
        self.disturbed = self.world.now

    @rule(number=st.integers(0, 2))
    def cut_off(self, number: int) -> None:
        self.replica(number).cut_off = True
        self.disturbed = self.world.now

    @rule(number=st.integers(0, 2))
    def heal(self, number: int) -> None:
        if self.replica(number).cut_off:
            self.replica(number).cut_off = False
            self.disturbed = self.world.now

    def teardown(self) -> None:
        """Whatever has happened: once all is well for long enough one replica polls, and another if that freezes."""
        if not hasattr(self, "world"):
            return
        self.world.redis_up = True
        self.disturbed = self.world.now
        for one in self.replicas:
            one.cut_off = False
            if not one.running:
                one.paused = False
                one.start()
        self.time_passes(ticks=int(4 * LEASE / TICK))
        (leader,) = (one.number for one in self.replicas if one.polls())
        self.freeze(number=leader, ticks=int(2 * LEASE / TICK))
        (successor,) = (one.number for one in self.replicas if one.polls())
        assert successor != leader


TestFailover = pytest.mark.filterwarnings("error")(Failover.TestCase)
TestFailover.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
