from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.builders import Counts, ManualClock, a_token

from exporter.common.cancellation import Stop
from exporter.model.snapshot import SweepResult
from exporter.model.state import Reason
from exporter.model.user import User
from exporter.platform.base import ApiError, Refusal, TokenListing
from exporter.polling.backoff import Due
from exporter.polling.poller import Poller
from exporter.polling.workers import Pass, RunningPasses
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable


USERS = tuple(User(f"u{number}", f"name{number}") for number in range(4))


class Platform:
    """Fails for some users with a reason; calls `during` in each call."""

    def __init__(
        self,
        failing: dict[str, Reason],
        during: Callable[[], object] = lambda: None,
        refusal: Refusal | None = None,
    ) -> None:
        self.failing = failing
        self.during = during
        self.refusal = refusal
        self.asked: list[str] = []

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        stop.check()
        self.asked.append(user_id)
        self.during()
        if (reason := self.failing.get(user_id)) is not None:
            raise ApiError(reason, "HTTP 4xx", refusal=self.refusal)
        return TokenListing((a_token(),))


def a_pass(platform: Platform, stop: Stop | None = None) -> Pass:
    clock = ManualClock()
    poller = Poller(Ledger("acme", USERS), platform, Counts(), clock)
    return Pass(poller, [Due(user, 0.0) for user in USERS], stop or Stop(), clock)


@pytest.mark.parametrize(
    ("failing", "skipped", "result"),
    [
        ({}, 0, SweepResult.SUCCESS),
        ({}, 1, SweepResult.PARTIAL),
        ({"u1": Reason.FORBIDDEN}, 0, SweepResult.PARTIAL),
        (dict.fromkeys(("u0", "u1", "u2", "u3"), Reason.TIMEOUT), 2, SweepResult.FAILED),
        ({"u3": Reason.UNAUTHORIZED}, 0, SweepResult.FAILED),
    ],
)
def test_the_result_counts_failed_and_skipped_users(
    failing: dict[str, Reason], skipped: int, result: SweepResult
) -> None:
    this_pass = a_pass(Platform(failing))
    this_pass.run(1)
    assert this_pass.result(skipped) is result
    assert this_pass.failures.total() == len(failing)


def test_a_refused_token_ends_the_pass() -> None:
    platform = Platform({"u1": Reason.UNAUTHORIZED})
    this_pass = a_pass(platform)
    this_pass.run(1)
    assert platform.asked == ["u0", "u1"]
    assert this_pass.unauthorized is not None
    assert not this_pass.cancelled


def test_however_many_workers_meet_the_refusal_it_counts_once() -> None:
    together = threading.Barrier(4, timeout=10)
    platform = Platform(dict.fromkeys(("u0", "u1", "u2", "u3"), Reason.UNAUTHORIZED), together.wait)
    this_pass = a_pass(platform)
    this_pass.run(4)
    assert this_pass.failures == {Reason.UNAUTHORIZED: 1}
    assert this_pass.result(0) is SweepResult.FAILED


def test_a_user_that_is_refused_alone_does_not_end_the_pass() -> None:
    platform = Platform({"u1": Reason.UNAUTHORIZED}, refusal=Refusal.CALL)
    this_pass = a_pass(platform)
    this_pass.run(1)
    assert platform.asked == ["u0", "u1", "u2", "u3"]
    assert this_pass.unauthorized is None
    assert this_pass.failures == {Reason.UNAUTHORIZED: 1}
    assert this_pass.result(0) is SweepResult.PARTIAL


def test_a_pause_cancels_the_running_passes_and_those_that_begin_later() -> None:
    passes = RunningPasses()
    platform = Platform({}, passes.pause)
    first, second = a_pass(platform), a_pass(platform)
    passes.run(first, 1)
    passes.run(second, 1)
    assert platform.asked == ["u0"]
    assert (first.cancelled, second.cancelled, passes.paused) == (True, True, True)


def test_a_resume_during_a_cancelled_pass_is_reported_once() -> None:
    passes = RunningPasses()

    def pause_briefly() -> None:
        passes.pause()
        passes.resume()

    passes.run(a_pass(Platform({}, pause_briefly)), 1)
    assert not passes.paused
    assert [passes.take_interrupted(), passes.take_interrupted()] == [True, False]


def test_without_workers_a_pass_ends_at_once() -> None:
    this_pass = a_pass(Platform({}))
    this_pass.run(0)
    assert this_pass.result(0) is SweepResult.FAILED
