from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from support.builders import DAY, NOW, Counts, ManualClock, a_token
from support.updates import calls

from exporter.app.changes import Changes
from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import Reason, UserState
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.platform.base import ApiError, TokenListing
from exporter.policies.schema import Policies
from exporter.polling.backoff import schedule
from exporter.polling.sweep import Sweeper, SweepSettings
from exporter.polling.sweep_summary import SummarySettings
from exporter.state.delivery import Changed
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.token import Token
    from exporter.state.delivery import Update

USERS = tuple(User(f"u{number}", f"name{number}") for number in range(10))


class Platform:
    """Answers for users as set; with one token for the others."""

    def __init__(self, answers: dict[str, Callable[[], tuple[Token, ...]]] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        stop.check()
        self.asked.append(user_id)
        return TokenListing(self.answers.get(user_id, lambda: (a_token(),))())


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


@pytest.mark.parametrize("fails", [False, True])
def test_a_listener_that_cannot_take_a_result_makes_the_sweep_partial(fails: bool) -> None:  # noqa: FBT001
    counts = Counts()

    class Broken:
        name = "storage"

        def handle(self, update: Update) -> None:
            if isinstance(update, Changed) and update.after.user.user_id == "u0":
                raise RuntimeError("a defect while one user is written down")

    changes = Changes([Broken()], lambda: counts.internal_error("changes"), ManualClock())
    ledger = Ledger("acme", USERS, publish=changes.publish)
    platform = Platform({"u0": raising(ApiError(Reason.SERVER_ERROR, "HTTP 500"))} if fails else {})
    assert a_sweeper(platform, ledger, counts, concurrency=4).sweep() is SweepResult.PARTIAL
    assert sorted(platform.asked) == sorted(user.user_id for user in USERS)
    # What is known is right; only the part that could not take it lacks it.
    assert [state.user.user_id for state in ledger.view().users if state.failure is not None] == ["u0"] * fails
    assert counts.of("internal_error") == [("internal_error", "changes")]


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


def test_a_sweep_in_which_no_user_could_be_polled_is_not_a_completed_one(clock: ManualClock) -> None:
    ledger, failing = Ledger("acme", USERS[:2]), raising(ApiError(Reason.TIMEOUT, "no answer"))
    platform = Platform()
    sweeper = Sweeper(ledger, platform, Counts(), Stop(), clock, SweepSettings(1, 900, spread=False))

    def completed() -> float | None:
        sweep = ledger.view().sweep
        assert sweep is not None
        return sweep.last_completed

    platform.answers = {"u0": failing, "u1": failing}
    sweeper.sweep()
    assert (completed(), ledger.view().ready) == (None, True)
    clock.advance(900)
    platform.answers = {"u0": failing}
    sweeper.sweep()
    assert completed() == NOW + 900
    platform.answers = {"u0": raising(ApiError(Reason.UNAUTHORIZED, "HTTP 401"))}
    for _ in range(2):
        clock.advance(900)
        sweeper.sweep()
    assert completed() == NOW + 900
    platform.answers = {}
    sweeper.sweep()
    assert completed() == NOW + 2700


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


class CountedReads(tuple[UserState, ...]):
    """States that count how often they are read."""

    __slots__ = ()
    reads = 0

    def __iter__(self) -> Iterator[UserState]:
        type(self).reads += 1
        return super().__iter__()


def test_while_nothing_changes_the_users_are_not_searched_again_for_those_that_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger("acme", USERS[:2])
    platform = Platform()
    sweeper = a_sweeper(platform, ledger, Counts())
    sweeper.sweep()
    view = replace(ledger.view(), users=CountedReads(ledger.view().users))
    monkeypatch.setattr(ledger, "view", lambda: view)
    for _ in range(3):
        sweeper.catch_up()
    assert CountedReads.reads == 1
    monkeypatch.undo()
    ledger.watch(USERS[:3])
    sweeper.catch_up()
    assert platform.asked == ["u0", "u1", "u2"]


def test_a_user_whose_catching_up_was_paused_is_polled_later() -> None:
    ledger = Ledger("acme", USERS[:1])
    platform = Platform()
    sweeper = a_sweeper(platform, ledger, Counts())
    sweeper.sweep()
    ledger.watch(USERS[:2])
    platform.answers["u1"] = raising(StoppedError())
    sweeper.catch_up()
    del platform.answers["u1"]
    sweeper.catch_up()
    assert platform.asked == ["u0", "u1", "u1"]


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


class TimedPlatform:
    """Answers at once and records when each user is polled, in seconds since the start of the test."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.polled: list[tuple[str, float]] = []
        self.refuses = False

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        stop.check()
        self.polled.append((user_id, self.clock.monotonic() - 1000))
        if self.refuses:
            raise ApiError(Reason.UNAUTHORIZED, "HTTP 401")
        return TokenListing((a_token(),))

    def take(self) -> list[tuple[str, float]]:
        """What was polled since the last call."""
        polled, self.polled = self.polled, []
        return polled


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """A clock that every wait with a time limit advances, instead of waiting."""
    manual = ManualClock()
    wait = Stop.wait

    def advance(stop: Stop, seconds: float | None) -> bool:
        if seconds is None:
            return wait(stop, None)
        manual.advance(max(0.0, seconds))
        return stop.is_set()

    monkeypatch.setattr(Stop, "wait", advance)
    return manual


def a_spread_sweeper(ledger: Ledger, clock: ManualClock) -> tuple[Sweeper, TimedPlatform]:
    platform = TimedPlatform(clock)
    return Sweeper(ledger, platform, Counts(), Stop(), clock, SweepSettings(1, 900, spread=True)), platform


AT_ONCE = [(user.user_id, 0.0) for user in USERS]


def test_the_first_sweep_is_not_spread_and_later_ones_take_four_fifths_of_the_interval(clock: ManualClock) -> None:
    ledger = Ledger("acme", USERS)
    sweeper, platform = a_spread_sweeper(ledger, clock)
    sweeper.sweep()
    assert platform.take() == AT_ONCE
    sweeper.sweep()
    polled = platform.take()
    # 900 s * 0.8 = 720 s; u3 comes after 0.015261 of them, u2 after 0.478932, u0 after 0.749449
    assert dict(polled)["u3"] == pytest.approx(10.988, abs=0.001)
    assert dict(polled)["u2"] == pytest.approx(344.831, abs=0.001)
    assert dict(polled)["u0"] == pytest.approx(539.603, abs=0.001)
    assert [at for _, at in polled] == pytest.approx([due.offset for due in schedule(USERS, 720)])
    sweep = ledger.view().sweep
    assert sweep is not None
    assert sweep.duration == pytest.approx(polled[-1][1])


@pytest.mark.parametrize(
    ("old", "minutes", "spread"),
    [
        (0, 22, True),  # 22 minutes are less than one and a half intervals of 15
        (0, 23, False),
        (1, 22, False),  # one user in ten is too many
    ],
)
def test_the_first_sweep_is_spread_if_an_earlier_run_left_recent_data(
    clock: ManualClock,
    old: int,
    minutes: int,
    spread: bool,  # noqa: FBT001
) -> None:
    ledger = Ledger("acme", USERS)
    for number, user in enumerate(USERS):
        ledger.succeeded(user.user_id, (), NOW - (86400 if number < old else minutes * 60))
    sweeper, platform = a_spread_sweeper(ledger, clock)
    sweeper.sweep()
    assert (max(at for _, at in platform.take()) > 0) is spread


def test_after_a_refused_token_and_after_a_pause_the_next_sweep_is_not_spread(clock: ManualClock) -> None:
    ledger = Ledger("acme", USERS)
    sweeper, platform = a_spread_sweeper(ledger, clock)
    assert not sweeper.refused
    sweeper.sweep()
    platform.refuses = True
    assert sweeper.sweep() is SweepResult.FAILED
    assert sweeper.refused
    platform.refuses = False
    platform.take()
    started = clock.monotonic() - 1000
    sweeper.sweep()
    assert not sweeper.refused
    assert {at for _, at in platform.take()} == {started}
    sweeper.pause()
    sweeper.resume()
    sweeper.sweep()
    assert {at for _, at in platform.take()} == {started}
    sweeper.sweep()
    assert len({at for _, at in platform.take()}) == 10


def test_a_user_is_not_polled_by_a_sweep_and_a_catch_up_at_the_same_time() -> None:
    polled, answers = threading.Event(), threading.Event()

    def slow() -> tuple[Token, ...]:
        polled.set()
        assert answers.wait(10)
        return ()

    ledger = Ledger("acme", USERS[:2])
    platform = Platform({"u2": slow})
    sweeper = a_sweeper(platform, ledger, Counts(), concurrency=2)
    sweeper.sweep()
    ledger.watch(USERS[:3])
    catching_up = threading.Thread(target=sweeper.catch_up)
    catching_up.start()
    assert polled.wait(10)
    platform.answers.clear()
    try:
        sweeper.sweep()
    finally:
        answers.set()
        catching_up.join(10)
    assert sorted(platform.asked) == ["u0", "u0", "u1", "u1", "u2"]


def test_a_401_while_catching_up_marks_every_user() -> None:
    ledger = Ledger("acme", USERS[:2])
    platform = Platform({"u2": raising(ApiError(Reason.UNAUTHORIZED, "HTTP 401"))})
    sweeper = a_sweeper(platform, ledger, Counts())
    sweeper.sweep()
    ledger.watch(USERS[:3])
    sweeper.catch_up()
    assert [state.failure and state.failure.reason for state in ledger.view().users] == [Reason.UNAUTHORIZED] * 3


def test_a_user_that_fails_alone_is_skipped_after_the_fourth_failure() -> None:
    platform = Platform({f"u{number}": raising(ApiError(Reason.FORBIDDEN, "x")) for number in range(4)})
    ledger = Ledger("acme", USERS)
    sweeper = a_sweeper(platform, ledger, Counts())
    polled = []
    for _ in range(80):
        platform.asked.clear()
        sweeper.sweep()
        polled.append({*platform.asked})
    for user in ("u0", "u1", "u2", "u3"):
        sweeps = [number for number, users in enumerate(polled, 1) if user in users]
        assert sweeps[:4] == [1, 2, 3, 4]
        # Every second one: those whose fraction of an interval is above a half (0.749 and 0.573) in the odd ones.
        assert sweeps[4] == (5 if user in {"u0", "u1"} else 6)
        assert sweeps[5] - sweeps[4] <= 4  # every fourth one
        assert {later - earlier for earlier, later in itertools.pairwise(sweeps[6:])} == {8}


@pytest.mark.parametrize(("failing", "skipped"), [(5, True), (6, False)])
def test_users_count_as_failing_alone_up_to_half_of_all(failing: int, skipped: bool) -> None:  # noqa: FBT001
    answers = {user.user_id: raising(ApiError(Reason.SERVER_ERROR, "x")) for user in USERS[:failing]}
    platform = Platform(answers)
    sweeper = a_sweeper(platform, Ledger("acme", USERS), Counts())
    for _ in range(20):
        sweeper.sweep()
    assert (platform.asked.count("u0") < 20) is skipped


def test_a_sweep_has_failed_if_all_users_failed_or_were_skipped() -> None:
    answers = {"u3": raising(ApiError(Reason.FORBIDDEN, "x"))}
    platform = Platform(dict(answers))
    sweeper = a_sweeper(platform, Ledger("acme", USERS), Counts())
    for _ in range(30):
        sweeper.sweep()
    # u3 is skipped in seven of eight sweeps by now: once it has been polled, it is skipped in the next one.
    while "u3" not in platform.asked[-10:]:
        sweeper.sweep()
    platform.asked.clear()
    platform.answers = {user.user_id: raising(ApiError(Reason.SERVER_ERROR, "x")) for user in USERS}
    assert sweeper.sweep() is SweepResult.FAILED
    assert sorted(platform.asked) == ["u0", "u1", "u2", "u4", "u5", "u6", "u7", "u8", "u9"]


def test_a_failure_is_logged_once_as_a_warning_and_so_is_its_end() -> None:
    ledger = Ledger("acme", USERS[:2])
    platform = Platform({"u0": raising(ApiError(Reason.FORBIDDEN, "HTTP 403"))})
    with capture_logs() as lines:
        sweeper = a_sweeper(platform, ledger, Counts())
        sweeper.sweep()
        sweeper.sweep()
        platform.answers.clear()
        sweeper.sweep()
        sweeper.sweep()
    about = [line for line in lines if line.get("user_id") is not None]
    assert [(line["user_id"], line["log_level"]) for line in about] == [
        ("u0", "warning"),
        ("u0", "debug"),
        ("u0", "info"),
    ]
    assert about[0]["reason"] == "forbidden"
    assert about[0]["detail"] == "HTTP 403"


def test_a_sweep_logs_one_line_with_what_it_found_as_fields() -> None:
    summary = SummarySettings(2 * DAY, Policies.model_validate({"never_expires": "forbid"}))
    ledger = Ledger("acme", USERS)
    answers = {
        "u0": lambda: (a_token("old", expires_in=-DAY), a_token("soon", expires_in=DAY)),
        "u1": lambda: (a_token("never", expires_in=NEVER),),
        "u2": raising(ApiError(Reason.TIMEOUT, "no answer")),
    }
    settings = SweepSettings(1, 900, spread=False, summary=lambda: summary)
    with capture_logs() as lines:
        Sweeper(ledger, Platform(answers), Counts(), Stop(), ManualClock(), settings).sweep()
    (line,) = [one for one in lines if one["event"] == "sweep completed"]
    assert (line["result"], line["expired"], line["expiring"], line["violations"]) == ("partial", 1, 1, 1)
    assert (line["failing"], line["failing_timeout"]) == (1, 1)
    assert "failures" not in line
