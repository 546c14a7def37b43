from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs
from support.builders import LeapingStop, ManualClock

from exporter.cluster.rate import HeldPacer, SharedPacer, granted
from exporter.cluster.redis import RedisCallError, RedisClient
from exporter.common.cancellation import Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_less_than_the_rate_is_granted() -> None:
    assert granted(50.0) == 47.0  # 50 * 0.94
    assert granted(0.5) == 0.47


class FakeRedis:
    """Gives every turn after the same time; counts the questions. Stands for the connection and its client."""

    def __init__(self, micros: int = 0) -> None:
        self.micros = micros
        self.away = False
        self.asked: list[tuple[Any, ...]] = []
        self.answers: Callable[[], None] = lambda: None

    def call(self, ask: Callable[[Any], float], *, seconds: float, size: int) -> float:
        assert (seconds, size) == (2.0, 65_536)
        return ask(self)

    def eval(self, script: str, keys: int, *arguments: Any) -> bytes:
        assert "redis.call('time')" in script
        assert keys == 1
        self.asked.append(arguments)
        self.answers()
        if self.away:
            raise RedisCallError("no answer")
        return str(self.micros).encode()


class Rig:
    """A pacer for 10 requests a second, divided among 5 processes while Redis is away."""

    def __init__(self, micros: int = 0) -> None:
        self.clock = ManualClock()
        self.stop = LeapingStop(self.clock)
        self.redis = FakeRedis(micros)
        self.held: list[Stop] = []
        self.pacer = SharedPacer(10.0, 5, "key", cast("RedisClient", self.redis), self.clock, self.held.append)

    def seconds(self, requests: int) -> float:
        """How long so many requests take."""
        started = self.clock.monotonic()
        for _ in range(requests):
            self.pacer.acquire(self.stop)
        return self.clock.monotonic() - started


def test_with_redis_requests_keep_to_the_rate_and_not_to_the_share() -> None:
    rig = Rig()
    assert rig.seconds(11) == pytest.approx(1.0)  # ten gaps of 0.1 s; by the share they would take 5 s
    assert len(rig.redis.asked) == len(rig.held) == 11
    # 10 * 0.94 a second: a turn every 106,383 us; no turn further ahead than one each of 5 processes, and one
    assert rig.redis.asked[0] == ("key", 106_383, 638_298)


def test_a_request_waits_for_its_turn_among_all_processes() -> None:
    rig = Rig(micros=300_000)
    assert rig.seconds(1) == pytest.approx(0.3)
    assert rig.stop.waits == [0.3]


@pytest.mark.parametrize("micros", [-1, 1_638_299])
def test_a_turn_that_cannot_be_true_is_refused(micros: int) -> None:
    with pytest.raises(ValueError, match="until the next turn"):
        Rig(micros).seconds(1)


def test_without_redis_requests_keep_to_the_share_and_redis_is_left_alone_for_5_seconds() -> None:
    rig = Rig()
    rig.redis.away = True
    with capture_logs() as lines:
        assert rig.seconds(10) == pytest.approx(4.5)  # 2 a second: nine gaps of 0.5 s
        assert len(rig.redis.asked) == 1
        rig.seconds(2)  # the first 5 s after the failure, the second shortly after: asked again, once
        assert len(rig.redis.asked) == 2
        rig.redis.away = False
        rig.clock.advance(5)
        rig.seconds(3)
        assert len(rig.redis.asked) == 5
        rig.redis.away = True
        rig.seconds(1)
    assert [line["log_level"] for line in lines] == ["warning", "debug", "warning"]


def test_one_worker_at_a_time_asks_redis_and_those_that_wait_can_be_stopped() -> None:
    rig = Rig()
    asked, answer = threading.Event(), threading.Event()

    def slow() -> None:
        asked.set()
        assert answer.wait(10)

    rig.redis.answers = slow
    stop, ended = Stop(), list[str]()

    def acquire(name: str, stop: Stop) -> None:
        try:
            rig.pacer.acquire(stop)
            ended.append(name)
        except StoppedError:
            ended.append(f"{name} stopped")

    first = threading.Thread(target=acquire, args=("first", Stop()))
    first.start()
    assert asked.wait(10)
    rig.clock.advance(1)
    second = threading.Thread(target=acquire, args=("second", stop))
    second.start()
    second.join(0.3)
    assert second.is_alive()
    assert len(rig.redis.asked) == 1
    stop.set()
    second.join(10)
    assert ended == ["second stopped"]
    answer.set()
    first.join(10)
    assert ended == ["second stopped", "first"]


def test_a_pacer_without_a_limit_holds_requests_back_as_well() -> None:
    held: list[Stop] = []
    clock = ManualClock()
    stop = LeapingStop(clock)
    HeldPacer(clock, held.append).acquire(stop)
    assert (held, stop.waits) == ([stop], [])
