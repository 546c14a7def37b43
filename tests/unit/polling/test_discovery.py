from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from structlog.testing import capture_logs
from support.builders import NOW, Counts, ManualClock

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Discovery
from exporter.model.state import Reason
from exporter.model.user import User
from exporter.platform.base import ApiError
from exporter.polling.discovery import Refresher

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

A, B = User("A", "a"), User("B", "b")
DOWN = ApiError(Reason.SERVER_ERROR, "HTTP 500")


class Answers:
    """Finds what it is told, one after the other."""

    def __init__(self, answers: Sequence[tuple[User, ...] | Exception]) -> None:
        self.answers = list(answers)

    def find(self, stop: Stop) -> tuple[User, ...]:
        stop.check()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A refresher with all that it told."""

    def __init__(
        self,
        *answers: tuple[User, ...] | Exception,
        before: tuple[User, ...] | None = None,
        interval: float = 3600,
        allow_empty: bool = False,
    ) -> None:
        self.found: list[tuple[User, ...]] = []
        self.told: list[Discovery] = []
        self.counts = Counts()
        self.stop = Stop()
        self.refresher = Refresher(
            "acme",
            Answers(answers),
            interval=interval,
            allow_empty=allow_empty,
            users=before,
            state=Discovery(users=None if before is None else len(before)),
            found=self.found.append,
            told=self.told.append,
            observer=self.counts,
            stop=self.stop,
            clock=ManualClock(),
        )


def test_a_list_is_told_and_kept_while_refreshes_fail() -> None:
    bench = Bench((A, B), DOWN)
    assert bench.refresher.refresh() is None
    assert bench.refresher.refresh() is None  # the interval will do: there is a list
    assert bench.found == [(A, B)]
    assert bench.refresher.users == (A, B)
    assert bench.told == [Discovery(True, NOW, 2), Discovery(False, NOW, 2)]
    assert bench.refresher.failure == DOWN.failure


def test_without_any_list_it_is_asked_for_again_within_a_minute() -> None:
    assert Bench(DOWN).refresher.refresh() == 60
    assert Bench(DOWN, interval=10).refresher.refresh() == 10
    assert Bench(DOWN, before=(A,)).refresher.refresh() is None


def test_an_empty_list_after_one_with_users_is_not_believed() -> None:
    bench = Bench((A,), (), (B,))
    for _ in range(2):
        bench.refresher.refresh()
    assert bench.refresher.users == (A,)
    assert bench.refresher.failure is not None
    assert bench.refresher.failure.message.startswith(
        "the list is empty after one of 1 users; set users.discover.allow"
    )
    bench.refresher.refresh()
    assert bench.refresher.users == (B,)
    assert bench.found == [(A,), (B,)]


def test_an_empty_list_is_believed_where_that_is_allowed_or_the_first() -> None:
    bench = Bench((A,), (), allow_empty=True)
    bench.refresher.refresh()
    bench.refresher.refresh()
    assert bench.refresher.users == ()
    first = Bench(())
    first.refresher.refresh()
    assert first.told == [Discovery(True, NOW, 0)]


def test_the_list_of_an_earlier_run_is_one_too() -> None:
    bench = Bench((), before=(A,))
    bench.refresher.refresh()
    assert (bench.refresher.users, bench.found) == ((A,), [])
    assert bench.told == [Discovery(False, None, 1)]


def test_a_refused_token_is_known() -> None:
    bench = Bench(ApiError(Reason.UNAUTHORIZED, "HTTP 401"), (A,))
    bench.refresher.refresh()
    assert bench.refresher.refused
    bench.refresher.refresh()
    assert not bench.refresher.refused


def test_a_defect_is_counted_and_costs_no_list() -> None:
    bench = Bench((A,), TypeError("x"))
    bench.refresher.refresh()
    bench.refresher.refresh()
    assert bench.counts.seen == [("internal_error", "discovery")]
    assert bench.refresher.users == (A,)


def test_who_waits_for_the_list_is_let_go_by_a_failure_and_by_the_stop() -> None:
    bench = Bench(DOWN)
    bench.refresher.refresh()
    bench.refresher.wait_for_list()
    Bench(before=(A,)).refresher.wait_for_list()
    stopped = Bench(StoppedError())
    stopped.stop.set()
    stopped.refresher.wait_for_list()
    assert stopped.refresher.refresh() is None
    assert stopped.told == []


def test_a_defect_while_a_list_is_put_in_force_leaves_the_previous_one() -> None:
    bench = Bench((A,), (A, B))
    bench.refresher.refresh()

    def broken(users: tuple[User, ...]) -> None:
        raise RuntimeError(f"a defect with {len(users)} users")

    bench.refresher._found = broken
    bench.refresher.refresh()
    assert bench.refresher.users == (A,)
    assert bench.refresher.failure is not None
    assert bench.refresher.failure.reason is Reason.INTERNAL
    assert bench.told[-1] == Discovery(False, NOW, 1)
    assert bench.counts.of("internal_error") == [("internal_error", "discovery")]


def test_whoever_waits_for_the_list_goes_on_once_the_first_refresh_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answers = threading.Event(), threading.Event()

    def slow(_: Answers, stop: Stop) -> tuple[User, ...]:
        stop.check()
        asked.set()
        assert answers.wait(10)
        return (A,)

    monkeypatch.setattr(Answers, "find", slow)
    bench = Bench()
    refresh = threading.Thread(target=bench.refresher.refresh)
    lists: list[tuple[User, ...] | None] = []

    def wait() -> None:
        bench.refresher.wait_for_list()
        lists.append(bench.refresher.users)

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
        bench = Bench((A,), (A,), (A, B), DOWN, DOWN, (A, B), (B,), TypeError("x"))
        for _ in range(8):
            bench.refresher.refresh()
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
