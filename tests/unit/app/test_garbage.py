from __future__ import annotations

import pytest
from support.builders import ManualClock

from exporter.app.garbage import GarbagePolicy

SETTLED = ["unfreeze", "collect", "freeze", "collect"]


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


def begun() -> tuple[GarbagePolicy, Heap, ManualClock]:
    heap, clock = Heap(), ManualClock()
    policy = GarbagePolicy(clock, heap)
    policy.begin()
    assert heap.since() == SETTLED
    return policy, heap, clock


def test_objects_that_are_created_while_paused_are_not_scanned_until_the_start_is_complete() -> None:
    policy, heap, _ = begun()
    with policy.paused():
        assert heap.since() == ["disable"]
    # Frozen first: enabled with all of them young, the next object would cause a scan.
    assert heap.since() == ["freeze", "enable"]


def test_a_pause_ends_with_an_error_too() -> None:
    policy, heap, _ = begun()
    with pytest.raises(RuntimeError), policy.paused():
        raise RuntimeError
    assert heap.since() == ["disable", "freeze", "enable"]


NONE: frozenset[str] = frozenset()
ACME = frozenset({"acme"})


def test_during_the_first_sweep_everything_is_frozen_and_after_it_collected_once() -> None:
    policy, heap, clock = begun()
    for _ in range(2):
        clock.advance(10)
        policy.check(NONE, all_ready=False)
    assert heap.since() == ["freeze", "freeze"]
    policy.check(ACME, all_ready=True)
    assert heap.since() == SETTLED
    clock.advance(10)
    policy.check(ACME, all_ready=True)
    assert heap.since() == []


def test_an_organization_that_is_never_swept_does_not_keep_cycles_frozen_for_long() -> None:
    policy, heap, clock = begun()
    clock.advance(599)
    policy.check(NONE, all_ready=False)
    assert heap.since() == ["freeze"]
    clock.advance(1)
    policy.check(NONE, all_ready=False)
    assert heap.since() == SETTLED
    clock.advance(10)
    policy.check(NONE, all_ready=False)
    assert heap.since() == []
    policy.check(ACME, all_ready=False)  # its first sweep came after all
    assert heap.since() == SETTLED


def test_frozen_objects_are_collected_once_a_day_and_after_a_reload() -> None:
    policy, heap, clock = begun()
    policy.check(ACME, all_ready=True)
    heap.since()
    clock.advance(86_399)
    policy.check(ACME, all_ready=True)
    assert heap.since() == []
    clock.advance(1)
    policy.check(ACME, all_ready=True)
    assert heap.since() == SETTLED
    policy.begin()
    assert heap.since() == SETTLED
