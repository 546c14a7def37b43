from __future__ import annotations

import threading
import time
from collections import Counter
from functools import partial

import pytest
import time_machine
from support.running import wait_until

from exporter.common.clock import SystemClock
from exporter.common.worker import Supervisor
from exporter.polling.scheduler import Scheduler


def _nothing() -> None:
    pass


def a_scheduler() -> Scheduler:
    clock = SystemClock()
    return Scheduler(clock, Supervisor(lambda _: None, clock))


def test_a_run_that_is_due_while_one_goes_on_is_skipped_and_told_of() -> None:
    counts: Counter[str] = Counter()
    lock = threading.Lock()
    together = 0

    def job() -> None:
        nonlocal together
        with lock:
            together += 1
            counts["most at once"] = max(counts["most at once"], together)
        time.sleep(0.5)
        with lock:
            together -= 1
        counts["runs"] += 1

    scheduler = a_scheduler()
    scheduler.start()
    try:
        scheduler.add(
            "slow", job, 0.2, skipped=lambda: counts.update(["skipped"]), crashed=lambda: counts.update(["crashed"])
        )
        wait_until(lambda: counts["runs"] >= 3)
    finally:
        scheduler.stop()
    assert counts["skipped"] >= 2
    assert counts["most at once"] == 1
    assert counts["crashed"] == 0


def test_a_crash_is_told_of_and_the_schedule_goes_on() -> None:
    counts: Counter[str] = Counter()

    def job() -> None:
        counts["runs"] += 1
        raise TypeError("a defect")

    scheduler = a_scheduler()
    scheduler.start()
    try:
        scheduler.add("bad", job, 0.1, skipped=lambda: None, crashed=lambda: counts.update(["crashed"]))
        wait_until(lambda: counts["crashed"] >= 3)
    finally:
        scheduler.stop()
    assert counts["runs"] >= 3


def test_a_removed_job_runs_no_more() -> None:
    counts: Counter[str] = Counter()
    scheduler = a_scheduler()
    scheduler.start()
    try:
        for name in ("goes", "stays"):
            scheduler.add(name, partial(counts.update, [name]), 0.1, skipped=_nothing, crashed=_nothing)
        wait_until(lambda: counts["goes"] >= 1)
        scheduler.remove("goes")
        time.sleep(0.15)
        before = counts["goes"]
        stays = counts["stays"]
        wait_until(lambda: counts["stays"] >= stays + 3)
        assert counts["goes"] == before
    finally:
        scheduler.stop()


@pytest.mark.parametrize("twice", [False, True])
def test_stopping_is_possible_before_the_start_and_twice(twice: bool) -> None:  # noqa: FBT001
    scheduler = a_scheduler()
    threads = {*threading.enumerate()}
    scheduler.stop()
    if twice:
        scheduler.start()
        scheduler.stop()
        scheduler.stop()
    assert {*threading.enumerate()} <= threads


@pytest.mark.parametrize("step", [-7 * 86400, -600, 90, 7 * 86400])
def test_a_step_of_the_clock_stops_nothing(step: float) -> None:
    counts: Counter[str] = Counter()
    scheduler = a_scheduler()
    scheduler.start()
    try:
        scheduler.add("job", lambda: counts.update(["runs"]), 0.2, skipped=_nothing, crashed=_nothing)
        wait_until(lambda: counts["runs"] >= 2)
        with time_machine.travel(time.time() + step, tick=True):
            # A schedule on wall-clock time that follows steps once a second is late from then on.
            time.sleep(1.2)
            before = counts["runs"]
            # 0.2 s each: three more are due within 0.8 s of real time.
            wait_until(lambda: counts["runs"] >= before + 3, within=3.0)
            assert counts["runs"] <= before + 20
    finally:
        scheduler.stop()


def test_a_job_can_be_run_ahead_of_its_time() -> None:
    counts: Counter[str] = Counter()
    scheduler = a_scheduler()
    scheduler.start()
    try:
        scheduler.add("job", lambda: counts.update(["runs"]), 3600, skipped=_nothing, crashed=_nothing)
        wait_until(lambda: counts["runs"] == 1)
        scheduler.run_soon("job")
        wait_until(lambda: counts["runs"] == 2)
        scheduler.run_soon("no such job")
    finally:
        scheduler.stop()


def test_the_first_run_can_be_later() -> None:
    began = time.monotonic()
    runs: list[float] = []
    scheduler = a_scheduler()
    scheduler.start()
    try:
        scheduler.add(
            *("job", lambda: runs.append(time.monotonic() - began), 0.1),
            after=0.3, skipped=_nothing, crashed=_nothing,
        )  # fmt: skip
        wait_until(lambda: len(runs) >= 2)
    finally:
        scheduler.stop()
    assert runs[0] >= 0.3


def test_runs_under_way_are_waited_for_but_not_for_long() -> None:
    began, go = threading.Event(), threading.Event()

    def job() -> None:
        began.set()
        go.wait(5)

    scheduler = a_scheduler()
    scheduler.start()
    scheduler.add("job", job, 3600, skipped=_nothing, crashed=_nothing)
    assert began.wait(5)
    scheduler.stop()
    assert not scheduler.join(0.05)
    go.set()
    assert scheduler.join(5)
