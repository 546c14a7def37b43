from __future__ import annotations

import threading

import pytest

from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor, Worker


class SetClock:
    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time


def test_an_exception_in_a_step_is_counted_and_the_loop_continues() -> None:
    crashes: list[str] = []
    done = threading.Event()
    rounds = []

    def step() -> float:
        rounds.append(1)
        if len(rounds) < 3:
            raise RuntimeError("defect")
        done.set()
        return 0.0

    worker = Worker("lease", step, Supervisor(crashes.append, SetClock()), pause=0.0)
    worker.start()
    assert done.wait(5)
    assert worker.stop()
    assert crashes == ["lease", "lease"]


def test_an_exception_in_the_counter_does_not_end_the_thread() -> None:
    done = threading.Event()
    rounds = []

    def crashed(_: str) -> None:
        raise RuntimeError("the counter is broken too")

    def step() -> float:
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("defect")
        done.set()
        return 0.0

    worker = Worker("lease", step, Supervisor(crashed, SetClock()), pause=0.0)
    worker.start()
    assert done.wait(5)
    assert worker.stop()


def test_stop_wakes_a_waiting_loop_joins_it_and_finishes_once() -> None:
    waiting = threading.Event()
    finished = []

    def step() -> None:
        waiting.set()

    worker = Worker("storage", step, Supervisor(lambda _: None, SetClock()), finish=lambda: finished.append(1))
    worker.start()
    assert waiting.wait(5)
    assert worker.stop(5)
    assert worker.stop(5)
    assert finished == [1]
    assert not worker._thread.is_alive()


def test_stopping_the_parent_ends_the_loop() -> None:
    parent = Stop()
    finished = threading.Event()
    worker = Worker("storage", lambda: None, Supervisor(lambda _: None, SetClock()), parent=parent, finish=finished.set)
    worker.start()
    parent.set()
    assert finished.wait(5)
    assert worker.stop(5)


def test_a_worker_stopped_before_its_start_never_runs() -> None:
    rounds = []
    worker = Worker("lease", lambda: rounds.append(1), Supervisor(lambda _: None, SetClock()))
    assert worker.stop()
    worker.start()
    assert worker.problem() is None
    assert rounds == []


def test_wake_during_a_step_is_not_lost() -> None:
    second = threading.Event()
    rounds = []

    def step() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            worker.wake()
        else:
            second.set()

    worker = Worker("sender", step, Supervisor(lambda _: None, SetClock()))
    worker.start()
    assert second.wait(5)
    assert worker.stop()


def test_a_step_that_runs_too_long_and_a_dead_thread_are_problems() -> None:
    clock = SetClock()
    running, release = threading.Event(), threading.Event()

    def step() -> None:
        running.set()
        release.wait(10)

    supervisor = Supervisor(lambda _: None, clock)
    worker = supervisor.worker("lease", step, stuck_after=60)
    assert supervisor.problems() == ()
    worker.start()
    assert running.wait(5)
    clock.time = 60.0
    assert supervisor.problems() == ()
    clock.time = 61.0
    assert supervisor.problems() == ("lease has been stuck for 61 s",)
    release.set()
    assert worker.stop(5)
    assert supervisor.problems() == ()


def test_a_thread_that_died_is_a_problem() -> None:
    class Dying(Worker):
        def _run(self) -> None:
            return

    worker = Dying("lease", lambda: None, Supervisor(lambda _: None, SetClock()))
    worker.start()
    worker._thread.join(5)
    assert worker.problem() == "lease is dead"


def test_a_thread_that_is_being_started_is_not_dead() -> None:
    worker = Worker("lease", lambda: None, Supervisor(lambda _: None, SetClock()))
    found: list[str | None] = []
    real = worker._thread.start

    def start() -> None:
        # A probe that comes while the system is busy with starting the thread.
        found.append(worker.problem())
        real()

    worker._thread.start = start  # type: ignore[method-assign]
    worker.start()
    assert worker.stop(5)
    assert found == [None]


def test_a_stop_waits_for_a_thread_that_is_just_being_started() -> None:
    finished: list[int] = []
    worker = Worker("storage", lambda: None, Supervisor(lambda _: None, SetClock()), finish=lambda: finished.append(1))
    real, starting, go = worker._thread.start, threading.Event(), threading.Event()

    def start() -> None:
        starting.set()
        go.wait(5)
        real()

    worker._thread.start = start  # type: ignore[method-assign]
    starter = threading.Thread(target=worker.start)
    starter.start()
    assert starting.wait(5)
    ended: list[tuple[bool, int]] = []
    stopper = threading.Thread(target=lambda: ended.append((worker.stop(5), len(finished))))
    stopper.start()
    stopper.join(0.05)
    assert ended == []
    go.set()
    stopper.join(5)
    starter.join(5)
    # What must be flushed has been, once `stop` returns.
    assert ended == [(True, 1)]


def test_a_stop_is_fine_after_a_start_for_which_there_was_no_thread() -> None:
    worker = Worker("storage", lambda: None, Supervisor(lambda _: None, SetClock()))

    def start() -> None:
        raise RuntimeError("can't start new thread")

    worker._thread.start = start  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="new thread"):
        worker.start()
    assert worker.problem() is None
    assert worker.stop()


def test_stop_returns_false_if_a_step_does_not_end() -> None:
    running, release = threading.Event(), threading.Event()

    def step() -> None:
        running.set()
        release.wait(10)

    worker = Worker("lease", step, Supervisor(lambda _: None, SetClock()))
    worker.start()
    assert running.wait(5)
    assert not worker.stop(0.01)
    release.set()
    worker._thread.join(5)


def test_the_supervisor_drops_stopped_workers() -> None:
    supervisor = Supervisor(lambda _: None, SetClock())
    for _ in range(5):
        supervisor.worker("sender", lambda: None).stop()
    supervisor.worker("sender", lambda: None)
    assert len(supervisor._workers) == 1
