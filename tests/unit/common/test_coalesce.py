from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.common.cancellation import StoppedError
from exporter.common.coalesce import Coalesced


class Work:
    """Counts its runs; each waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self) -> int:
        self.runs += 1
        mine = self.runs
        self.began.release()
        assert self.go.acquire(timeout=10)
        return mine


def waiting(coalesced: Coalesced[int], count: int) -> None:
    """Return once this number of callers wait."""
    for _ in range(1000):
        with coalesced._changed:
            if len(coalesced._changed._waiters) == count:  # type: ignore[attr-defined]
                return
        threading.Event().wait(0.01)
    raise AssertionError("too few waiting callers")


def test_callers_during_one_run_share_the_next_one() -> None:
    work = Work()
    coalesced = Coalesced(work)
    with ThreadPoolExecutor(50) as pool:
        first = pool.submit(coalesced)
        assert work.began.acquire(timeout=5)
        others = [pool.submit(coalesced) for _ in range(40)]
        waiting(coalesced, 40)
        work.go.release(2)
        assert first.result(5) == 1
        assert {one.result(5) for one in others} == {2}
    assert work.runs == 2


def test_a_caller_never_gets_the_result_of_a_run_that_began_before_the_call() -> None:
    work = Work()
    work.go.release(3)
    coalesced = Coalesced(work)
    assert [coalesced() for _ in range(3)] == [1, 2, 3]


def test_a_run_that_raises_is_repeated_for_a_waiting_caller() -> None:
    began, go = threading.Event(), threading.Event()
    runs: list[int] = []

    def run() -> str:
        runs.append(1)
        if len(runs) == 1:
            began.set()
            go.wait(5)
        if len(runs) <= 2:
            raise ValueError("defect")
        return "fine"

    coalesced = Coalesced(run)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(coalesced)
        assert began.wait(5)
        others = [pool.submit(coalesced) for _ in range(2)]
        for _ in range(1000):
            with coalesced._changed:
                if len(coalesced._changed._waiters) == 2:  # type: ignore[attr-defined]
                    break
            threading.Event().wait(0.01)
        go.set()
        with pytest.raises(ValueError, match="defect"):
            first.result(5)
        outcomes = [one.exception(5) for one in others]
        assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", "ValueError"]
    assert len(runs) == 3


def test_stop_wakes_waiting_callers_and_starts_no_run() -> None:
    work = Work()
    coalesced = Coalesced(work)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(coalesced)
        assert work.began.acquire(timeout=5)
        second = pool.submit(coalesced)
        waiting(coalesced, 1)
        coalesced.stop()
        with pytest.raises(StoppedError):
            second.result(5)
        work.go.release()
        assert first.result(5) == 1
    with pytest.raises(StoppedError):
        coalesced()
    assert work.runs == 1
