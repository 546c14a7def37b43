from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.builders import NOW, Counts, ManualClock, a_token
from support.updates import calls

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import Reason, UserState
from exporter.model.user import User
from exporter.platform.base import ApiError
from exporter.polling.sweep import Sweeper, SweepSettings
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.token import Token

USERS = tuple(User(f"u{number}", f"name{number}") for number in range(10))


class Platform:
    """Answers for users as set; with one token for the others."""

    def __init__(self, answers: dict[str, Callable[[], tuple[Token, ...]]] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    def list_tokens(self, user_id: str, stop: Stop) -> tuple[Token, ...]:
        stop.check()
        self.asked.append(user_id)
        return self.answers.get(user_id, lambda: (a_token(),))()


def raising(error: Exception) -> Callable[[], tuple[Token, ...]]:
    def answer() -> tuple[Token, ...]:
        raise error

    return answer


def a_sweeper(
    platform: Platform, ledger: Ledger, counts: Counts, stop: Stop | None = None, concurrency: int = 1
) -> Sweeper:
    return Sweeper(
        ledger,
        platform,
        counts,
        stop or Stop(),
        ManualClock(),
        SweepSettings(concurrency, 900, spread=False),
    )


def test_every_user_gets_an_outcome() -> None:
    ledger, counts = Ledger("acme", USERS), Counts()
    platform = Platform({"u3": raising(ApiError(Reason.SERVER_ERROR, "HTTP 500"))})
    assert a_sweeper(platform, ledger, counts, concurrency=4).sweep() is SweepResult.PARTIAL
    assert sorted(platform.asked) == sorted(user.user_id for user in USERS)
    up = {state.user.user_id: state.failure is None for state in ledger.view().users}
    assert up == {user.user_id: user.user_id != "u3" for user in USERS}
    sweep = ledger.view().sweep
    assert sweep is not None
    assert (sweep.result, sweep.completed_at) == (SweepResult.PARTIAL, NOW)
    assert counts.of("swept") == [("swept", "partial")]


def test_a_crash_in_one_poll_costs_that_user_only_and_is_counted() -> None:
    ledger, counts = Ledger("acme", USERS), Counts()
    sweeper = a_sweeper(Platform({"u0": raising(TypeError("a defect"))}), ledger, counts)
    for _ in range(2):
        assert sweeper.sweep() is SweepResult.PARTIAL
    failed = [state for state in ledger.view().users if state.failure is not None]
    assert [(state.user.user_id, state.failure and state.failure.reason) for state in failed] == [
        ("u0", Reason.INTERNAL)
    ]
    assert counts.of("internal_error") == [("internal_error", "poll")] * 2


class BrokenFor:
    """A listener of the ledger that raises for one user, whatever happened."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        assert organization == "acme"
        assert before.user == state.user
        if state.user.user_id == self.user_id:
            raise RuntimeError("a defect while one user is rendered")

    def swept(self, organization: str, sweep: Sweep) -> None:
        pass

    def own_token(self, organization: str, expires_at: float | None) -> None:
        pass


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_defect_while_a_result_is_recorded_costs_no_other_user(fails: bool, concurrency: int) -> None:  # noqa: FBT001
    ledger, counts = Ledger("acme", USERS, publish=calls(BrokenFor("u0"))), Counts()
    platform = Platform({"u0": raising(ApiError(Reason.SERVER_ERROR, "HTTP 500"))} if fails else {})
    sweeper = a_sweeper(platform, ledger, counts, concurrency=concurrency)
    assert sweeper.sweep() is SweepResult.PARTIAL
    assert sorted(platform.asked) == sorted(user.user_id for user in USERS)
    assert all(state.polled for state in ledger.view().users if state.user.user_id != "u0")
    assert counts.of("internal_error") == [("internal_error", "poll")]


def test_a_defect_while_progress_is_reported_costs_no_user() -> None:
    ledger, counts, platform = Ledger("acme", USERS), Counts(), Platform()

    def progress(user: User) -> None:
        if user.user_id == "u0":
            raise RuntimeError("a broken progress bar")

    sweeper = Sweeper(
        ledger,
        platform,
        counts,
        Stop(),
        ManualClock(),
        SweepSettings(1, 900, spread=False),
        progress,
    )
    assert sweeper.sweep() is SweepResult.SUCCESS
    assert len(platform.asked) == 10
    assert counts.of("internal_error") == [("internal_error", "poll")]


@pytest.mark.parametrize(("threads", "result"), [(0, SweepResult.FAILED), (1, SweepResult.SUCCESS)])
def test_a_sweep_without_threads_fails(monkeypatch: pytest.MonkeyPatch, threads: int, result: SweepResult) -> None:
    start = threading.Thread.start
    left = [threads]

    def start_some(thread: threading.Thread) -> None:
        if thread.name.startswith("poll-"):
            if left[0] == 0:
                raise RuntimeError("can't start new thread")
            left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    platform = Platform()
    assert a_sweeper(platform, Ledger("acme", USERS), Counts(), concurrency=4).sweep() is result
    assert len(platform.asked) == (10 if threads else 0)


def test_a_401_ends_the_sweep_and_marks_every_user() -> None:
    ledger, counts = Ledger("acme", USERS), Counts()
    platform = Platform({"u2": raising(ApiError(Reason.UNAUTHORIZED, "HTTP 401"))})
    assert a_sweeper(platform, ledger, counts).sweep() is SweepResult.FAILED
    assert platform.asked == ["u0", "u1", "u2"]
    assert {state.failure and state.failure.reason for state in ledger.view().users} == {Reason.UNAUTHORIZED}
    # What was read before the refusal is kept.
    assert [state.last_success for state in ledger.view().users][:3] == [NOW, NOW, None]


def test_a_paused_sweeper_polls_no_user_and_records_no_outcome() -> None:
    ledger, counts = Ledger("acme", USERS), Counts()
    sweepers: list[Sweeper] = []

    def pausing() -> tuple[Token, ...]:
        sweepers[0].pause()
        return ()

    platform = Platform({"u2": pausing})
    sweepers.append(a_sweeper(platform, ledger, counts))
    assert sweepers[0].sweep() is SweepResult.CANCELLED
    assert platform.asked == ["u0", "u1", "u2"]
    assert ledger.view().sweep is None
    assert sweepers[0].sweep() is SweepResult.CANCELLED
    assert platform.asked == ["u0", "u1", "u2"]
    platform.answers.clear()
    sweepers[0].resume()
    assert sweepers[0].sweep() is SweepResult.SUCCESS
    # the oldest data first: seven of ten users have none, then the others
    assert platform.asked[3:] == ["u3", "u4", "u5", "u6", "u7", "u8", "u9", "u0", "u1", "u2"]


def test_a_pause_that_ends_before_the_sweep_does_skips_no_sweep() -> None:
    ledger, counts = Ledger("acme", USERS), Counts()
    sweepers: list[Sweeper] = []

    def pausing_briefly() -> tuple[Token, ...]:
        sweepers[0].pause()
        sweepers[0].resume()
        platform.answers.clear()
        return ()

    platform = Platform({"u2": pausing_briefly})
    sweepers.append(a_sweeper(platform, ledger, counts))
    assert sweepers[0].sweep() is SweepResult.SUCCESS
    assert counts.of("swept") == [("swept", "cancelled"), ("swept", "success")]


def test_a_stop_ends_the_sweep_without_an_outcome() -> None:
    stop = Stop()
    ledger, counts = Ledger("acme", USERS), Counts()

    def stopping() -> tuple[Token, ...]:
        stop.set()
        raise StoppedError

    assert a_sweeper(Platform({"u1": stopping}), ledger, counts, stop).sweep() is SweepResult.CANCELLED
    assert ledger.view().sweep is None
    assert [state.polled for state in ledger.view().users] == [True] + [False] * 9


def test_a_sweep_fails_if_all_users_fail_and_succeeds_without_users() -> None:
    answers = {user.user_id: raising(ApiError(Reason.TIMEOUT, "slow")) for user in USERS}
    assert a_sweeper(Platform(answers), Ledger("acme", USERS), Counts()).sweep() is SweepResult.FAILED
    assert a_sweeper(Platform(), Ledger("acme", ()), Counts()).sweep() is SweepResult.SUCCESS


def test_concurrency_is_limited_as_configured() -> None:
    together = threading.Barrier(3, timeout=10)
    lock = threading.Lock()
    now, most = 0, 0

    def answer() -> tuple[Token, ...]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1
        return ()

    users = USERS[:9]
    platform = Platform({user.user_id: answer for user in users})
    assert a_sweeper(platform, Ledger("acme", users), Counts(), concurrency=3).sweep() is SweepResult.SUCCESS
    assert most == 3


def test_only_users_that_join_are_polled_at_once() -> None:
    ledger = Ledger("acme", USERS[:2])
    platform = Platform()
    sweeper = a_sweeper(platform, ledger, Counts())
    sweeper.catch_up()
    assert platform.asked == []  # the first sweep does it
    sweeper.sweep()
    ledger.watch(USERS[:3])
    sweeper.catch_up()
    sweeper.catch_up()
    assert platform.asked == ["u0", "u1", "u2"]


def test_a_user_removed_during_a_sweep_is_not_recorded() -> None:
    ledger = Ledger("acme", USERS)

    def answer() -> tuple[Token, ...]:
        ledger.watch(USERS[1:])
        return (a_token(),)

    a_sweeper(Platform({"u0": answer}), ledger, Counts()).sweep()
    assert "u0" not in {state.user.user_id for state in ledger.view().users}


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.FORBIDDEN, Reason.TLS])
def test_a_failure_of_one_user_does_not_end_the_sweep(reason: Reason) -> None:
    platform = Platform({"u0": raising(ApiError(reason, "x"))})
    a_sweeper(platform, Ledger("acme", USERS), Counts()).sweep()
    assert len(platform.asked) == 10


def test_the_first_sweep_refreshes_the_oldest_data_first() -> None:
    ledger = Ledger("acme", USERS[:3])
    ledger.succeeded("u0", (), NOW - 10)
    ledger.succeeded("u2", (), NOW - 99)
    platform = Platform()
    a_sweeper(platform, ledger, Counts()).sweep()
    assert platform.asked == ["u1", "u2", "u0"]


def test_a_user_that_alone_keeps_failing_is_polled_less_often_but_never_dropped() -> None:
    ledger = Ledger("acme", USERS)
    platform = Platform({"u3": raising(ApiError(Reason.FORBIDDEN, "HTTP 403"))})
    sweeper = a_sweeper(platform, ledger, Counts())
    results = [sweeper.sweep() for _ in range(80)]
    # three times in a row, then in one of 2, 4 and 8 sweeps: 4 + 76 / 8 = 13 or 14 times at the least, 16 at the most
    assert 13 <= platform.asked.count("u3") <= 16
    assert platform.asked.count("u4") == 80
    assert set(results) == {SweepResult.PARTIAL}
    platform.answers.clear()
    for _ in range(8):
        sweeper.sweep()
    state = ledger.state("u3")
    assert state is not None
    assert (state.failure, state.failures) == (None, 0)


def test_if_most_users_fail_all_are_polled_in_every_sweep() -> None:
    answers = {user.user_id: raising(ApiError(Reason.SERVER_ERROR, "HTTP 500")) for user in USERS[:6]}
    platform = Platform(answers)
    sweeper = a_sweeper(platform, Ledger("acme", USERS), Counts())
    for _ in range(20):
        sweeper.sweep()
    assert platform.asked.count("u0") == 20
