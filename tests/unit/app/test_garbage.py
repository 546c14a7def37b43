from __future__ import annotations

import pytest
from support.builders import ManualClock

from exporter.app.garbage import GarbagePolicy, Survivors, freeze_loaded

SCAN = ["unfreeze", "collect", "freeze"]
DAY = 86_400


class Heap:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def collect(self) -> int:
        self.calls.append("collect")
        return 0

    def freeze(self) -> None:
        self.calls.append("freeze")

    def unfreeze(self) -> None:
        self.calls.append("unfreeze")

    def disable(self) -> None:
        self.calls.append("disable")

    def enable(self) -> None:
        self.calls.append("enable")

    def since(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls


def a_policy(users: int = 1) -> tuple[GarbagePolicy, Heap, ManualClock]:
    heap, clock = Heap(), ManualClock()
    return GarbagePolicy(clock, lambda: users, heap), heap, clock


def test_what_loading_left_is_collected_and_the_rest_is_frozen() -> None:
    heap = Heap()
    freeze_loaded(heap)
    assert heap.since() == ["collect", "freeze"]


def test_objects_that_are_created_while_paused_are_never_scanned() -> None:
    policy, heap, _ = a_policy()
    with policy.paused():
        # Cycles of before would be frozen, too.
        assert heap.since() == ["collect", "disable"]
    # Frozen first: enabled with all of them young, the next object would cause a scan.
    assert heap.since() == ["freeze", "enable"]


def test_a_pause_ends_with_an_error_too() -> None:
    policy, heap, _ = a_policy()
    with pytest.raises(RuntimeError), policy.paused():
        raise RuntimeError
    assert heap.since() == ["collect", "disable", "freeze", "enable"]


def test_the_objects_of_few_users_are_scanned_after_each_reload_and_once_a_day() -> None:
    policy, heap, clock = a_policy(users=9_999)
    policy.reloaded()
    assert heap.since() == SCAN
    clock.advance(DAY - 1)
    policy.check()
    assert heap.since() == []
    clock.advance(1)
    policy.check()
    policy.check()
    assert heap.since() == SCAN


def test_the_objects_of_many_users_are_scanned_after_a_thousand_reloads_and_once_a_week() -> None:
    policy, heap, clock = a_policy(users=10_000)
    for _ in range(999):
        policy.reloaded()
    clock.advance(7 * DAY - 1)
    policy.check()
    assert heap.since() == []
    policy.reloaded()
    assert heap.since() == SCAN
    clock.advance(7 * DAY - 1)
    policy.check()
    assert heap.since() == []
    clock.advance(1)
    policy.check()
    assert heap.since() == SCAN


@pytest.mark.parametrize(
    ("generation", "seconds", "calls"),
    [(2, 0.0051, ["freeze"]), (2, 0.0049, []), (1, 1.0, []), (0, 1.0, [])],
)
def test_what_survives_a_long_scan_is_not_scanned_again(generation: int, seconds: float, calls: list[str]) -> None:
    times = iter([100.0, 100.0 + seconds])
    heap = Heap()
    survivors = Survivors(heap, lambda: next(times))
    survivors.collection("start", {"generation": generation})
    survivors.collection("stop", {"generation": generation})
    assert heap.since() == calls
