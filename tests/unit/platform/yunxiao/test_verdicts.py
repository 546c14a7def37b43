from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.builders import ManualClock
from support.platform_calls import NEXT, TOKEN

from exporter.common.cancellation import Stop, Stoppable, StoppedError
from exporter.platform.yunxiao.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT = 10.0
"""Seconds after which a test fails instead of hanging."""


class Checker:
    """A check that ends when the test says how."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.end: Callable[[], bool] = lambda: True
        self.count = 0

    def check(self) -> bool:
        self.count += 1
        self.begun.set()
        assert self.may_end.wait(WAIT)
        return self.end()


class Asking(threading.Thread):
    """A thread that waits for a verdict."""

    def __init__(self, verdicts: Verdicts, check: Callable[[], bool], stop: Stop) -> None:
        super().__init__(daemon=True)
        self.verdicts, self.check, self.stop = verdicts, check, stop
        self.result: bool | BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.verdicts.refused(TOKEN, self.check, self.stop)
        except (StoppedError, ZeroDivisionError) as error:
            self.result = error


class WaitingStop(Stop):
    """A stop that reports when something waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = threading.Event()

    def add(self, child: Stoppable) -> None:
        super().add(child)
        self.waited.set()


def not_called() -> bool:
    raise AssertionError("another thread checks")


@pytest.mark.parametrize("refused", [True, False])
def test_one_thread_checks_and_the_others_share_its_verdict(refused: bool) -> None:  # noqa: FBT001
    verdicts, checker = Verdicts(ManualClock()), Checker()
    checker.end = lambda: refused
    first = Asking(verdicts, checker.check, Stop())
    first.start()
    assert checker.begun.wait(WAIT)
    stops = [WaitingStop() for _ in range(5)]
    others = [Asking(verdicts, not_called, stop) for stop in stops]
    for other in others:
        other.start()
    assert all(stop.waited.wait(WAIT) for stop in stops)
    # Another token is another question.
    assert not verdicts.refused(NEXT, lambda: False, Stop())
    checker.may_end.set()
    for thread in (first, *others):
        thread.join(WAIT)
        assert thread.result is refused


def test_if_the_thread_that_checks_is_stopped_or_fails_another_one_checks() -> None:
    verdicts, checker = Verdicts(ManualClock()), Checker()
    checker.end = lambda: bool(1 / 0)
    first = Asking(verdicts, checker.check, Stop())
    first.start()
    assert checker.begun.wait(WAIT)
    stop = WaitingStop()
    second = Asking(verdicts, lambda: False, stop)
    second.start()
    assert stop.waited.wait(WAIT)
    checker.may_end.set()
    second.join(WAIT)
    assert second.result is False
    first.join(WAIT)
    assert isinstance(first.result, ZeroDivisionError)


def test_a_stop_ends_the_wait() -> None:
    verdicts, checker = Verdicts(ManualClock()), Checker()
    first = Asking(verdicts, checker.check, Stop())
    first.start()
    assert checker.begun.wait(WAIT)
    stop = WaitingStop()
    second = Asking(verdicts, not_called, stop)
    second.start()
    assert stop.waited.wait(WAIT)
    stop.set()
    second.join(WAIT)
    assert isinstance(second.result, StoppedError)
    checker.may_end.set()
    first.join(WAIT)
    assert first.result is True


def test_a_refusal_stands_for_a_minute() -> None:
    clock = ManualClock()
    verdicts = Verdicts(clock)
    assert verdicts.refused(TOKEN, lambda: True, Stop())
    clock.advance(59.9)
    assert verdicts.refused(TOKEN, not_called, Stop())
    clock.advance(0.1)
    assert not verdicts.refused(TOKEN, lambda: False, Stop())


def test_a_refusal_does_not_stand_when_the_token_is_accepted() -> None:
    verdicts = Verdicts(ManualClock())
    assert verdicts.refused(TOKEN, lambda: True, Stop())
    verdicts.accepted(NEXT)
    assert verdicts.refused(TOKEN, not_called, Stop())
    verdicts.accepted(TOKEN)
    assert not verdicts.refused(TOKEN, lambda: False, Stop())


def test_a_good_verdict_is_not_kept() -> None:
    verdicts = Verdicts(ManualClock())
    assert not verdicts.refused(TOKEN, lambda: False, Stop())
    assert verdicts.refused(TOKEN, lambda: True, Stop())
