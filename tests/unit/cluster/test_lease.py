"""The lease of one replica: roles that cannot be taken up, requests that are held back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.cluster.leadership import Role
from exporter.cluster.lease import Lease, RedisLock
from exporter.cluster.redis import RedisCallError
from exporter.common.cancellation import Stop, StoppedError
from exporter.common.worker import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.cluster.redis import RedisClient

LEASE = 12.0


class FakeClock:
    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time


class FakeStop(Stop):
    """Lets time pass instead of waiting."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.waited = 0.0

    def wait(self, seconds: float | None) -> bool:
        self.waited += seconds or 0.0
        self._clock.time += seconds or 0.0
        return self.is_set()


class FakeLock:
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.takes = 0.0
        self.held = True
        self.away = False
        self.asked = 0
        self.released = 0

    def hold(self) -> bool:
        self.asked += 1
        self._clock.time += self.takes
        if self.away:
            raise RedisCallError("no answer")
        return self.held

    def release(self) -> None:
        self.released += 1


class Rig:
    def __init__(self, lease: float = LEASE) -> None:
        self.clock = FakeClock()
        self.lock = FakeLock(self.clock)
        self.roles: list[Role] = []
        self.refuses = self.breaks = False
        self.up: list[bool] = []
        self.lease = Lease(
            self.lock, lease, self._changed, self.up.append, Supervisor(lambda _: None, self.clock), self.clock
        )

    def _changed(self, role: Role) -> None:
        if self.breaks or (self.refuses and role.polls):
            raise RuntimeError("can't start new thread")
        self.roles.append(role)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_check_is_due_four_times_a_lease(rig: Rig) -> None:
    assert rig.lease.step() == 3.0
    assert (rig.roles, rig.up) == ([Role.LEADER], [True])


def test_the_time_of_a_check_does_not_delay_the_next_one() -> None:
    rig = Rig(lease=10.0)
    rig.clock.time = 100.0
    rig.lock.takes = 0.75
    assert rig.lease.step() == 1.75
    rig.lock.takes = 2.5
    assert rig.lease.step() == 0.05


def test_a_failed_check_is_repeated_at_once(rig: Rig) -> None:
    rig.lock.away = True
    rig.lease.step()
    assert rig.lock.asked == 2
    assert rig.up == [False]


def test_a_replica_that_cannot_take_up_its_role_leaves_the_lock_for_two_leases(rig: Rig) -> None:
    rig.refuses = True
    with pytest.raises(RuntimeError, match="can't start new thread"):
        rig.lease.step()
    assert rig.lock.released == 1
    assert rig.roles == [Role.STANDBY]
    rig.clock.time = 23.9
    rig.lease.step()
    assert rig.lock.asked == 1
    rig.refuses = False
    rig.clock.time = 24.0
    rig.lease.step()
    assert rig.roles[-1] is Role.LEADER


def test_a_step_down_that_fails_is_retried_and_no_request_starts_meanwhile(rig: Rig) -> None:
    rig.lease.step()
    rig.breaks = True
    rig.lock.held = False
    rig.clock.time = 3.0
    with pytest.raises(RuntimeError):
        rig.lease.step()
    stop = FakeStop(rig.clock)
    stop.set()
    with pytest.raises(StoppedError):
        rig.lease.wait_until_certain(stop)
    rig.breaks = False
    rig.lease.step()
    assert rig.roles == [Role.LEADER, Role.STANDBY]
    rig.lease.wait_until_certain(stop)  # discovery, which a standby does too, does not wait


def test_requests_start_at_once_while_the_lock_is_valid(rig: Rig) -> None:
    rig.lease.step()
    rig.clock.time = 11.9
    stop = FakeStop(rig.clock)
    rig.lease.wait_until_certain(stop)
    assert stop.waited == 0.0


def test_after_a_pause_requests_wait_for_the_next_check_but_not_longer_than_half_a_lease(rig: Rig) -> None:
    rig.lease.step()
    rig.clock.time = 36.0
    stop = FakeStop(rig.clock)
    rig.lease.wait_until_certain(stop)
    assert stop.waited == pytest.approx(6.0, abs=0.05)
    # a check without an answer lets them start: a leader continues
    rig.lock.away = True
    rig.lease.step()
    stop.waited = 0.0
    rig.lease.wait_until_certain(stop)
    assert stop.waited == 0.0


def test_a_replica_that_renews_its_lock_in_time_never_waits(rig: Rig) -> None:
    stop = FakeStop(rig.clock)
    for second in range(0, 120, 3):
        rig.clock.time = float(second)
        rig.lease.step()
        rig.lease.wait_until_certain(stop)
    assert stop.waited == 0.0
    assert rig.roles == [Role.LEADER]


@pytest.mark.parametrize(("held", "away", "released"), [(True, False, 1), (False, False, 0), (True, True, 0)])
def test_a_replica_that_stops_gives_the_lock_up_if_it_has_it_and_redis_answers(
    rig: Rig,
    held: bool,  # noqa: FBT001
    away: bool,  # noqa: FBT001
    released: int,
) -> None:
    rig.lock.held = held
    rig.lease.step()
    rig.lock.away = away
    rig.clock.time = 3.0
    rig.lease.step()
    rig.lease.stop()
    assert rig.lock.released == released


class FakeRedis:
    """Answers the lock's command with what the test says about the replica's own name."""

    def __init__(self, answer: Callable[[bytes], object]) -> None:
        self.answer = answer
        self.limits: list[tuple[float, int]] = []
        self.arguments: list[tuple[Any, ...]] = []

    def call(self, ask: Callable[[Any], Any], *, seconds: float, size: int) -> Any:
        self.limits.append((seconds, size))
        return ask(self)

    def eval(self, _: str, keys: int, key: str, name: bytes, *numbers: int) -> object:
        assert (keys, key) == (1, "lock")
        self.arguments.append(numbers)
        return self.answer(name)


def a_redis_lock(answer: Callable[[bytes], object], seconds: float = LEASE) -> tuple[RedisLock, FakeRedis]:
    client = FakeRedis(answer)
    return RedisLock(cast("RedisClient", client), "lock", seconds), client


def test_the_lock_is_held_if_its_holder_has_this_name() -> None:
    assert a_redis_lock(lambda name: [1, name])[0].hold()
    assert not a_redis_lock(lambda _: [0, b"another replica"])[0].hold()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: [1, b"another replica"],
        lambda name: [0, name],
        lambda name: [2, name],
        lambda _: [0, None],
        lambda _: [0, 7],
        lambda name: [b"1", name],
        lambda name: [1, name, 0],
        lambda _: [],
    ],
)
def test_an_answer_that_contradicts_itself_is_invalid(answer: Callable[[bytes], object]) -> None:
    with pytest.raises(ValueError, match=r"answer about the lock|unpack"):
        a_redis_lock(answer)[0].hold()


@pytest.mark.parametrize(
    ("lease", "patience", "milliseconds", "longest"),
    # four checks a lease, none longer than 2 s; at most ten minutes or two leases may be left of another's lock
    [(1.0, 0.25, 1000, 600_000), (12.0, 2.0, 12_000, 600_000), (600.0, 2.0, 600_000, 1_200_000)],
)
def test_times_of_the_lock(lease: float, patience: float, milliseconds: int, longest: int) -> None:
    lock, client = a_redis_lock(lambda name: [1, name], lease)
    lock.hold()
    assert client.limits == [(patience, 65_536)]
    assert client.arguments == [(milliseconds, longest)]
