"""Deliveries to one receiver: order, retries, refusals, stop. Without threads: each test calls `step`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders import NOW, ManualClock

from exporter.alerts.notification import Notification
from exporter.alerts.receivers.base import DeliveryError
from exporter.alerts.sender import BATCH, Sender
from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest


class Receiver:
    """Accepts batches, or raises the error that the test chooses."""

    name, timeout = "http://alertmanager", 10.0

    def __init__(self) -> None:
        self.behave: Callable[[list[str]], Exception | None] = lambda _: None
        self.tried: list[list[str]] = []
        self.taken: list[list[str]] = []
        self.closed = False

    def send(self, notifications: Sequence[Notification]) -> None:
        names = [f"{one.labels[0][1]}{dict(one.annotations).get('version', '')}" for one in notifications]
        self.tried.append(names)
        if (error := self.behave(names)) is not None:
            raise error
        self.taken.append(names)

    def close(self) -> None:
        self.closed = True


class Counts:
    def __init__(self) -> None:
        self.ok = self.errors = self.lost = self.crashes = self.length = 0

    def sent(self, _: str, count: int, seconds: float) -> None:
        assert seconds >= 0
        self.ok += count

    def failed(self, _: str, count: int) -> None:
        self.errors += count

    def dropped(self, _: str, count: int) -> None:
        self.lost += count

    def queued(self, _: str, length: int) -> None:
        self.length = length

    def firing(self, alerts: Mapping[str, int]) -> None:
        raise NotImplementedError

    def internal_error(self, where: str) -> None:
        assert where == "notify"
        self.crashes += 1


class Bench:
    def __init__(self, capacity: int = 1000, longest_pause: float = 30.0) -> None:
        self.receiver, self.counts, self.clock = Receiver(), Counts(), ManualClock()
        supervisor = Supervisor(self.counts.internal_error, self.clock)
        self.sender = Sender(self.receiver, self.counts, supervisor, Stop(), self.clock, capacity, longest_pause)

    def run(self, requests: int = 100) -> list[float]:
        """Call `step` until there is nothing to do or the number of requests is reached; returns the pauses."""
        pauses, until = [], len(self.receiver.tried) + requests
        while len(self.receiver.tried) < until and (pause := self.sender.step()) is not None:
            if pause:
                pauses.append(pause)
                self.clock.advance(pause)
        return pauses


def a_notification(name: str, version: str = "", lasts: float = 1e6) -> Notification:
    return Notification((("alertname", name),), (("version", version),) if version else (), NOW, 1000.0 + lasts)


def unreachable(_: list[str]) -> DeliveryError:
    return DeliveryError("no delivery", refused=False)


def overloaded(_: list[str]) -> DeliveryError:
    return DeliveryError("HTTP 503", refused=False, answered=True)


def refuses(name: str) -> Callable[[list[str]], DeliveryError | None]:
    return lambda names: DeliveryError("HTTP 400", refused=True, answered=True) if name in names else None


def test_a_retry_keeps_the_order_and_never_overtakes_a_newer_notification_of_its_alert() -> None:
    bench = Bench()
    bench.receiver.behave = unreachable
    bench.sender.put([a_notification("warning", "1"), a_notification("other", "1")])
    bench.run(requests=2)
    # meanwhile the warning ends and a critical alert begins
    bench.sender.put([a_notification("critical", "2"), a_notification("warning", "2")])
    bench.run(requests=2)
    bench.receiver.behave = lambda _: None
    bench.run()
    assert bench.receiver.taken == [["warning2", "other1", "critical2"]]
    assert bench.counts.ok == 3


def test_retries_back_off_and_new_notifications_do_not_shorten_the_pause() -> None:
    bench = Bench(longest_pause=5.0)
    bench.receiver.behave = unreachable
    bench.sender.put([a_notification("a")])
    assert bench.run(requests=8) == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    bench.sender.put([a_notification("b")])
    assert bench.sender.step() == 5.0
    assert bench.counts.errors == 8
    bench.receiver.behave = lambda _: None
    bench.run()
    assert bench.receiver.taken == [["a", "b"]]
    bench.receiver.behave = unreachable
    bench.sender.put([a_notification("c")])
    assert bench.run(requests=2) == [0.25]


def test_an_alert_that_always_fails_does_not_block_others() -> None:
    bench = Bench()
    bench.sender.put([a_notification(f"a{number}") for number in range(10)])
    bench.receiver.behave = lambda names: overloaded(names) if "a0" in names else None
    bench.run(requests=30)
    # five times in a row in its place, then behind the others in smaller batches
    assert [len(names) for names in bench.receiver.tried[:6]] == [10] * 6
    assert {name for names in bench.receiver.taken for name in names} == {f"a{number}" for number in range(1, 10)}
    assert bench.counts.lost == 0


def test_an_unreachable_receiver_keeps_the_order() -> None:
    bench = Bench()
    bench.sender.put([a_notification(f"a{number}") for number in range(BATCH + 1)])
    bench.receiver.behave = unreachable
    bench.run(requests=30)
    assert {names[0] for names in bench.receiver.tried} == {"a0"}


def test_only_the_refused_notification_is_dropped_after_few_attempts(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.receiver.behave = refuses("a37")
    bench.sender.put([a_notification(f"a{number}") for number in range(100)])
    bench.run()
    assert sorted(name for names in bench.receiver.taken for name in names) == sorted(
        f"a{number}" for number in range(100) if number != 37
    )
    assert (bench.counts.ok, bench.counts.lost, bench.counts.errors) == (99, 1, 0)
    assert len(bench.receiver.tried) < 20
    # it is not sent again for fifteen minutes
    bench.sender.put([a_notification("a37")])
    bench.run()
    assert (bench.counts.lost, len(caplog.records)) == (2, 1)
    bench.clock.advance(901)
    bench.receiver.behave = lambda _: None
    bench.sender.put([a_notification("a37")])
    bench.run()
    assert bench.receiver.taken[-1] == ["a37"]


def test_an_exception_drops_only_the_notification_that_causes_it() -> None:
    bench = Bench()
    bench.receiver.behave = lambda names: ValueError("a defect") if "a3" in names else None
    bench.sender.put([a_notification(f"a{number}") for number in range(8)])
    bench.run()
    assert (bench.counts.ok, bench.counts.lost) == (7, 1)
    assert bench.counts.crashes == 1


def test_out_of_date_notifications_are_dropped_by_monotonic_time() -> None:
    bench = Bench()
    bench.sender.put([a_notification("late", lasts=60), a_notification("in time", lasts=61)])
    bench.clock.ticks += 60
    bench.clock.time -= 86400
    bench.run()
    assert (bench.receiver.taken, bench.counts.lost) == ([["in time"]], 1)


def test_a_paused_sender_keeps_its_queue() -> None:
    bench = Bench()
    bench.sender.put([a_notification("a")])
    bench.sender.pause()
    assert bench.sender.step() is None
    assert bench.receiver.tried == []
    bench.sender.put([])
    bench.run()
    assert bench.receiver.taken == [["a"]]


def test_a_stop_returns_the_interrupted_batch_to_the_queue_in_order() -> None:
    bench = Bench()
    bench.sender.put([a_notification("a"), a_notification("b")])

    def stopped(_: list[str]) -> DeliveryError:
        bench.sender.put([a_notification("c")])
        bench.sender.stop()
        return DeliveryError("no delivery", refused=False)

    bench.receiver.behave = stopped
    bench.sender.step()
    assert [one.labels[0][1] for one in bench.sender.pending] == ["a", "b", "c"]
    assert bench.receiver.closed
    assert bench.counts.errors == 0


def test_renewed_alerts_are_queued_once_each_while_the_receiver_is_down() -> None:
    bench = Bench(capacity=10_000)
    bench.receiver.behave = unreachable
    for version in range(5):
        bench.sender.put([a_notification(str(number), str(version)) for number in range(10_100)])
        bench.run(requests=1)
    assert bench.counts.length == 10_000
    assert bench.counts.lost == 5 * 100


def test_the_room_of_a_sender_is_that_of_its_queue() -> None:
    bench = Bench(capacity=3)
    bench.receiver.behave = unreachable
    bench.sender.put([a_notification("a"), a_notification("b")])
    assert bench.sender.room == 1
    bench.run(requests=1)
    assert bench.sender.room == 1
    bench.receiver.behave = lambda _: None
    bench.run()
    assert bench.sender.room == 3


def test_what_is_being_sent_is_pending_until_it_is_delivered() -> None:
    """A request may hang beyond the stop of its sender: the next sender takes over its batch."""
    bench = Bench()
    seen: list[list[str]] = []

    def hanging(_: list[str]) -> None:
        bench.sender.put([a_notification("b", "2"), a_notification("c", "1")])
        seen.append([f"{one.labels[0][1]}{one.annotations[0][1]}" for one in bench.sender.pending])

    bench.receiver.behave = hanging
    bench.sender.put([a_notification("a", "1"), a_notification("b", "1")])
    bench.sender.step()
    assert seen == [["a1", "b2", "c1"]]
    assert [one.labels[0][1] for one in bench.sender.pending] == ["b", "c"]
