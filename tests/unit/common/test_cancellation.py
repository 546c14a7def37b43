from __future__ import annotations

import pytest

from exporter.common.cancellation import Stop, StoppedError


def test_stopping_a_parent_stops_its_children() -> None:
    parent = Stop()
    child = Stop(parent)
    parent.set()
    assert child.is_set()
    assert child.wait(None)


def test_stopping_a_child_leaves_the_parent_running() -> None:
    parent = Stop()
    Stop(parent).set()
    assert not parent.is_set()


def test_a_child_of_a_stopped_parent_is_stopped() -> None:
    parent = Stop()
    parent.set()
    assert Stop(parent).is_set()


def test_a_released_child_is_no_longer_stopped() -> None:
    parent = Stop()
    child = Stop(parent)
    child.release()
    parent.set()
    assert not child.is_set()


def test_check_raises_after_the_stop() -> None:
    stop = Stop()
    stop.check()
    assert not stop.wait(0)
    stop.set()
    with pytest.raises(StoppedError):
        stop.check()


class Ended:
    def __init__(self) -> None:
        self.times = 0

    def set(self) -> None:
        self.times += 1


def test_anything_can_be_stopped_with_a_stop_until_it_is_removed() -> None:
    stop, kept, removed, late = Stop(), Ended(), Ended(), Ended()
    for one in (kept, removed):
        stop.add(one)
    stop.remove(removed)
    stop.remove(removed)
    stop.set()
    stop.add(late)
    assert (kept.times, removed.times, late.times) == (1, 0, 1)


def test_a_wait_for_no_time_only_looks() -> None:
    stop = Stop()
    assert [stop.wait(seconds) for seconds in (0.0, -1.0)] == [False, False]
    stop.set()
    assert [stop.wait(seconds) for seconds in (0.0, -1.0, None)] == [True, True, True]
