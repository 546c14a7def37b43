from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from structlog.testing import capture_logs
from support.builders import NOW, Counts, ManualClock

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Discovery
from exporter.model.state import Failure, Reason
from exporter.model.user import User
from exporter.platform.base import ApiError, FoundUsers, Refusal
from exporter.polling.discovery import KnownUsers, Refresher, RefreshListener, RefreshSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    Answer = tuple[User, ...] | FoundUsers | Exception

A, B = User("A", "a"), User("B", "b")
DOWN = ApiError(Reason.SERVER_ERROR, "HTTP 500")


class Answers:
    """Gives these answers, one after the other; users alone are a complete list."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = list(answers)

    def find_users(self, stop: Stop) -> FoundUsers:
        stop.check()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, FoundUsers) else FoundUsers(answer, is_complete=True)


class Setup:
    """A refresher with all that it reported."""

    def __init__(
        self,
        *answers: Answer,
        before: tuple[User, ...] | None = None,
        interval: float = 3600,
        allow_empty: bool = False,
        defect: bool = False,
    ) -> None:
        self.found: list[tuple[User, ...]] = []
        self.states: list[Discovery] = []
        self.counts = Counts()
        self.stop = Stop()
        self.defect = defect
        self.refresher = Refresher(
            Answers(answers),
            RefreshSettings("acme", interval, allow_empty),
            KnownUsers(before, Discovery(users=None if before is None else len(before))),
            RefreshListener(self._found, self.states.append),
            self.counts,
            self.stop,
            ManualClock(),
        )

    def _found(self, users: tuple[User, ...]) -> None:
        if self.defect:
            raise RuntimeError(f"a defect with {len(users)} users")
        self.found.append(users)


def test_a_list_is_reported_and_kept_while_refreshes_fail() -> None:
    setup = Setup((A, B), DOWN)
    assert setup.refresher.refresh() is None
    assert setup.refresher.refresh() is None  # the interval will do: there is a list
    assert setup.found == [(A, B)]
    assert setup.refresher.users == (A, B)
    assert setup.states == [Discovery(True, NOW, 2), Discovery(False, NOW, 2)]
    assert setup.refresher.failure == DOWN.failure


def test_discovered_users_that_have_not_changed_stay_the_same_objects() -> None:
    setup = Setup((User("A", "a"), User("B", "b")), (User("B", "b"), User("A", "other")))
    setup.refresher.refresh()
    _, known = setup.refresher.users or ()
    setup.refresher.refresh()
    assert setup.refresher.users == (known, User("A", "other"))
    assert setup.refresher.users[0] is known
    assert setup.found[1] is setup.refresher.users


def test_without_any_list_the_next_refresh_comes_within_a_minute() -> None:
    assert Setup(DOWN).refresher.refresh() == 60
    assert Setup(DOWN, interval=10).refresher.refresh() == 10
    assert Setup(DOWN, before=(A,)).refresher.refresh() is None


def test_an_empty_list_after_one_with_users_is_rejected() -> None:
    setup = Setup((A,), (), (B,))
    for _ in range(2):
        setup.refresher.refresh()
    assert setup.refresher.users == (A,)
    assert setup.refresher.failure is not None
    assert setup.refresher.failure.message.startswith(
        "the list is empty, the previous one has 1 users; set users.discover.allow"
    )
    setup.refresher.refresh()
    assert setup.refresher.users == (B,)
    assert setup.found == [(A,), (B,)]


def test_an_empty_list_is_accepted_if_it_is_allowed_or_the_first_one() -> None:
    setup = Setup((A,), (), allow_empty=True)
    setup.refresher.refresh()
    setup.refresher.refresh()
    assert setup.refresher.users == ()
    first = Setup(())
    first.refresher.refresh()
    assert first.states == [Discovery(True, NOW, 0)]


def test_a_user_missing_from_one_list_is_kept_until_the_next_list_confirms_it() -> None:
    setup = Setup((A, B), FoundUsers((B,)), FoundUsers((A, B)), FoundUsers((A,)), DOWN, FoundUsers((A,)))
    for _ in range(6):
        setup.refresher.refresh()
    # B is back after it was missing once, and is removed when it is missing twice; a failure in between says nothing.
    assert setup.found == [(A, B), (B, A), (A, B), (A, B), (A,)]
    assert setup.states[1] == Discovery(True, NOW, 2)
    assert setup.states[-1] == Discovery(True, NOW, 1)


def test_what_one_list_had_missing_outlives_a_reload() -> None:
    setup = Setup((A, B), FoundUsers((A,)))
    setup.refresher.refresh()
    setup.refresher.refresh()
    after = Setup(FoundUsers((A,)))
    after.refresher.take_over(setup.refresher.known)
    after.refresher.refresh()
    assert after.found == [(A,)]


def test_users_of_an_earlier_run_are_kept_once_more() -> None:
    setup = Setup(FoundUsers((B,)), FoundUsers((B,)), before=(A, B))
    setup.refresher.refresh()
    setup.refresher.refresh()
    assert setup.found == [(B, A), (B,)]


def test_an_empty_list_that_is_allowed_removes_all_at_once() -> None:
    setup = Setup(FoundUsers((A, B)), FoundUsers(()), allow_empty=True)
    setup.refresher.refresh()
    setup.refresher.refresh()
    assert setup.found == [(A, B), ()]


def test_missing_users_are_logged_once() -> None:
    with capture_logs() as lines:
        setup = Setup((A, B), FoundUsers((A,)), FoundUsers((A,)), FoundUsers((A,)))
        for _ in range(4):
            setup.refresher.refresh()
    assert [(line["event"], line.get("missing"), line.get("left")) for line in lines[1:]] == [
        ("users are missing from the list, and are kept until the next list confirms that", 1, None),
        ("users discovered", None, 1),
    ]


def test_the_list_of_an_earlier_run_is_kept_like_any_other() -> None:
    setup = Setup((), before=(A,))
    setup.refresher.refresh()
    assert (setup.refresher.users, setup.found) == ((A,), [])
    assert setup.states == [Discovery(False, None, 1)]


def test_a_refused_token_is_reported() -> None:
    setup = Setup(ApiError(Reason.UNAUTHORIZED, "HTTP 401"), (A,))
    setup.refresher.refresh()
    assert setup.refresher.refused
    setup.refresher.refresh()
    assert not setup.refresher.refused


def test_a_call_that_is_refused_alone_does_not_refuse_the_token() -> None:
    setup = Setup(ApiError(Reason.UNAUTHORIZED, "HTTP 401", refusal=Refusal.CALL))
    setup.refresher.refresh()
    assert setup.refresher.failure == Failure(Reason.UNAUTHORIZED, "HTTP 401")
    assert not setup.refresher.refused


def test_a_defect_is_counted_and_keeps_the_list() -> None:
    setup = Setup((A,), TypeError("x"))
    setup.refresher.refresh()
    setup.refresher.refresh()
    assert setup.counts.seen == [("internal_error", "discovery")]
    assert setup.refresher.users == (A,)


def test_a_failure_and_the_stop_both_end_the_wait_for_a_list() -> None:
    setup = Setup(DOWN)
    setup.refresher.refresh()
    setup.refresher.wait_for_list()
    Setup(before=(A,)).refresher.wait_for_list()
    stopped = Setup(StoppedError())
    stopped.stop.set()
    stopped.refresher.wait_for_list()
    assert stopped.refresher.refresh() is None
    assert stopped.states == []


def test_a_defect_while_a_list_is_applied_keeps_the_previous_one() -> None:
    setup = Setup((A,), (A, B))
    setup.refresher.refresh()

    setup.defect = True
    setup.refresher.refresh()
    assert setup.refresher.users == (A,)
    assert setup.refresher.failure is not None
    assert setup.refresher.failure.reason is Reason.INTERNAL
    assert setup.states[-1] == Discovery(False, NOW, 1)
    assert setup.counts.of("internal_error") == [("internal_error", "discovery")]


def test_whoever_waits_for_the_list_goes_on_once_the_first_refresh_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answers = threading.Event(), threading.Event()

    def slow(_: Answers, stop: Stop) -> FoundUsers:
        stop.check()
        asked.set()
        assert answers.wait(10)
        return FoundUsers((A,))

    monkeypatch.setattr(Answers, "find_users", slow)
    setup = Setup()
    refresh = threading.Thread(target=setup.refresher.refresh)
    lists: list[tuple[User, ...] | None] = []

    def wait() -> None:
        setup.refresher.wait_for_list()
        lists.append(setup.refresher.users)

    waiter = threading.Thread(target=wait)
    refresh.start()
    assert asked.wait(10)
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    answers.set()
    for thread in (refresh, waiter):
        thread.join(10)
    assert lists == [(A,)]


def test_what_is_logged_about_discovery() -> None:
    with capture_logs() as lines:
        setup = Setup((A,), (A,), (A, B), DOWN, DOWN, (A, B), (B,), TypeError("x"))
        for _ in range(8):
            setup.refresher.refresh()
    events = [(line["log_level"], line.get("users"), line.get("joined"), line.get("left")) for line in lines]
    assert events == [
        ("info", 1, None, None),
        ("info", 2, 1, 0),
        ("error", 2, None, None),
        ("debug", 2, None, None),  # the same failure again
        ("info", 2, 0, 0),  # discovery works again
        ("info", 1, 0, 1),
        ("error", None, None, None),  # the traceback
        ("error", 1, None, None),
    ]
    assert lines[6]["exc_info"]
