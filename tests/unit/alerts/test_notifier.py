"""Evaluations, changes of the plan, and the alerts that are kept for a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from support.builders import NOW, ManualClock

from exporter.alerts.alert import Alert, Evaluation
from exporter.alerts.notifier import Notifier, Plan
from exporter.alerts.tracker import Tracker
from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor
from exporter.model.kept_alert import KeptAlert, KeptChanges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.alerts.notification import Notification
    from exporter.alerts.sender import NotificationObserver, Sender

LABELS = (("alertname", "A"),)


class Queue:
    def __init__(self) -> None:
        self.puts: list[list[Notification]] = []
        self.room = 1000

    def put(self, notifications: Iterable[Notification]) -> None:
        self.puts.append(list(notifications))


class Firing:
    def __init__(self) -> None:
        self.counts: list[int] = []

    def firing(self, alerts: Mapping[str, int]) -> None:
        self.counts.append(sum(alerts.values()))


class Bench:
    def __init__(self) -> None:
        self.clock, self.queue, self.observer, self.stop = ManualClock(), Queue(), Firing(), Stop()
        self.kept: list[KeptChanges] = []
        self.forgotten = 0
        self.crashes: list[str] = []
        supervisor = Supervisor(self.crashes.append, self.clock)
        observer = cast("NotificationObserver", self.observer)
        # Its thread ends at once: the tests call `step`.
        self.stop.set()
        self.notifier = Notifier(Tracker(), observer, supervisor, self.stop, self.clock, self.kept.append)

    def plan(self, *alerts: Alert, resend: float = 60.0) -> Plan:
        senders = (cast("Sender", self.queue),)
        return Plan(lambda *_: Evaluation(alerts), self.forget, senders, resend)

    def forget(self) -> None:
        self.forgotten += 1


def an_alert(words: str = "expires in 5m") -> Alert:
    return Alert(LABELS, (("description", words),), NOW - 5)


def test_evaluations_queue_due_notifications_several_times_per_resend_interval() -> None:
    bench = Bench()
    assert bench.notifier.step() is None
    bench.notifier.apply(bench.plan(an_alert()))
    assert bench.notifier.step() == 15.0
    bench.clock.advance(15)
    bench.notifier.step()
    assert [len(notifications) for notifications in bench.queue.puts] == [1, 0]
    assert bench.observer.counts == [1, 1]
    bench.notifier.apply(bench.plan(resend=2.0))
    assert bench.notifier.step() == 0.5


def test_the_result_of_an_old_plan_is_discarded() -> None:
    bench = Bench()
    old = bench.plan(an_alert())

    def slow(now: float, applied: int | None) -> Evaluation:
        bench.notifier.apply(bench.plan(Alert((("alertname", "B"),), (), NOW)))
        return old.evaluate(now, applied)

    bench.notifier.apply(Plan(slow, bench.forget, old.senders, 60.0))
    assert bench.notifier.step() == 0.0
    assert (bench.queue.puts, bench.kept, bench.observer.counts) == ([], [], [])
    bench.notifier.step()
    assert [[one.labels for one in notifications] for notifications in bench.queue.puts] == [[(("alertname", "B"),)]]


def test_nothing_is_queued_without_a_plan() -> None:
    bench = Bench()
    plan = bench.plan(an_alert())

    def paused(now: float, applied: int | None) -> Evaluation:
        bench.notifier.apply(None)
        return plan.evaluate(now, applied)

    bench.notifier.apply(Plan(paused, bench.forget, plan.senders, 60.0))
    assert bench.notifier.step() == 0.0
    assert bench.notifier.step() is None
    assert (bench.queue.puts, bench.kept) == ([], [])


def test_alerts_keep_their_start_from_one_plan_to_the_next() -> None:
    bench = Bench()
    bench.notifier.apply(bench.plan(an_alert()))
    bench.notifier.step()
    bench.clock.advance(3600)
    bench.notifier.apply(bench.plan(Alert(LABELS, (), NOW + 3600)))
    bench.notifier.step()
    assert [notification.starts_at for notifications in bench.queue.puts for notification in notifications] == [
        NOW - 5,
        NOW - 5,
    ]


def test_alerts_are_kept_when_one_starts_or_ends_and_annotations_periodically() -> None:
    bench = Bench()
    for second in range(0, 361, 60):
        bench.notifier.apply(bench.plan(an_alert(str(second))))
        bench.notifier.step()
        bench.clock.advance(60)
    # at 0 and 300 s
    assert [one.annotations[0][1] for kept in bench.kept for one in kept.alerts] == ["0", "300"]
    bench.notifier.apply(bench.plan())
    bench.notifier.step()
    assert [one.ends_at for one in bench.kept[-1].alerts] == [NOW + 420]
    assert bench.kept[-1].alerts[0].annotations == (("description", "360"),)


def test_alerts_resolved_before_a_restart_are_sent_after_it() -> None:
    bench = Bench()
    bench.notifier.restore([KeptAlert(LABELS, (("description", "x"),), NOW - 50, NOW - 10)], 60.0)
    bench.notifier.apply(bench.plan())
    bench.notifier.step()
    ((notification,),) = bench.queue.puts
    assert (notification.starts_at, notification.ends_at, notification.annotations) == (
        NOW - 50,
        NOW - 10,
        (("description", "x"),),
    )


def test_without_room_nothing_is_queued_and_the_next_attempt_comes_soon() -> None:
    bench = Bench()
    bench.queue.room = 0
    bench.notifier.apply(bench.plan(an_alert()))
    assert bench.notifier.step() == 1.0
    bench.queue.room = 1
    assert bench.notifier.step() == 15.0
    assert [len(notifications) for notifications in bench.queue.puts] == [0, 1]


def test_a_notifier_without_a_plan_frees_memory_once() -> None:
    bench = Bench()
    bench.notifier.apply(bench.plan(an_alert()))
    bench.notifier.step()
    assert bench.forgotten == 0
    bench.notifier.apply(None)
    bench.notifier.step()
    bench.notifier.step()
    assert bench.forgotten == 1


def test_an_evaluation_is_about_the_difference_to_the_last_one_that_was_used() -> None:
    bench = Bench()
    asked: list[int | None] = []

    def evaluate(_: float, applied: int | None) -> Evaluation:
        asked.append(applied)
        return Evaluation((), number=len(asked))

    bench.notifier.apply(Plan(evaluate, bench.forget, (cast("Sender", bench.queue),), 60.0))
    bench.notifier.step()
    bench.clock.advance(15)
    bench.notifier.step()
    assert asked == [None, 1]


def test_what_waits_for_room_is_queued_without_another_evaluation() -> None:
    bench = Bench()
    evaluated: list[float] = []

    def evaluate(now: float, _: int | None) -> Evaluation:
        evaluated.append(now)
        return Evaluation(tuple(Alert((("alertname", name),), (), NOW) for name in "abc"))

    bench.queue.room = 2
    bench.notifier.apply(Plan(evaluate, bench.forget, (cast("Sender", bench.queue),), 60.0))
    pauses = []
    for _ in range(3):
        pauses.append(bench.notifier.step())
        bench.clock.advance(pauses[-1] or 0)
    assert pauses == [1.0, 14.0, 15.0]
    assert [len(notifications) for notifications in bench.queue.puts] == [2, 1, 0]
    assert evaluated == [NOW, NOW + 15]
