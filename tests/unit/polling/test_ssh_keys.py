"""SSH keys beside tokens: what a failure costs, and when no keys are requested."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from support.builders import ManualClock, a_key

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.polling.ssh_keys import PAUSE, SHORT_PAUSE, SshKeyReader

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey


class Lister:
    """Answers with a key, or fails for the users in `fails`."""

    def __init__(self, **fails: Exception) -> None:
        self.fails = fails
        self.asked: Counter[str] = Counter()

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        stop.check()
        self.asked[user_id] += 1
        if user_id in self.fails:
            raise self.fails[user_id]
        return (a_key(),)


USERS = ("a", "b", "c", "d", "e")


def failing(reason: Reason) -> Lister:
    return Lister(**{user: ApiError(reason, "HTTP 4xx") for user in USERS})


def sweep(reader: SshKeyReader, *users: str) -> list[tuple[SshKey, ...] | None]:
    return [reader.keys_of(user, Stop()) for user in users or USERS]


def test_keys_are_listed() -> None:
    assert sweep(SshKeyReader("acme", Lister(), ManualClock()), "a") == [(a_key(),)]


def test_an_edition_without_the_call_is_asked_once_an_hour_and_said_once() -> None:
    lister, clock = failing(Reason.UNSUPPORTED), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    with capture_logs() as logs:
        assert sweep(reader) + sweep(reader) == [None] * 10
        assert lister.asked == {"a": 1}
        clock.advance(PAUSE - 1)
        sweep(reader)
        assert lister.asked == {"a": 1}
        clock.advance(1)
        sweep(reader)
    assert lister.asked == {"a": 2}
    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert [log["event"] for log in warnings] == ["SSH keys cannot be listed, those known stay as they are"]
    assert warnings[0]["organization"] == "acme"


@pytest.mark.parametrize(
    ("reason", "pause"),
    [
        (Reason.FORBIDDEN, PAUSE),
        (Reason.NOT_FOUND, PAUSE),
        # An unknown path may be answered with a page, or with a redirect to one.
        (Reason.BAD_REQUEST, PAUSE),
        (Reason.INVALID_RESPONSE, PAUSE),
        (Reason.REDIRECT, PAUSE),
        # What may work again soon.
        (Reason.TIMEOUT, SHORT_PAUSE),
        (Reason.SERVER_ERROR, SHORT_PAUSE),
        (Reason.UNAUTHORIZED, SHORT_PAUSE),
    ],
)
def test_three_failures_in_a_row_stop_the_calls_for_a_while(reason: Reason, pause: float) -> None:
    lister, clock = failing(reason), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    with capture_logs() as logs:
        sweep(reader)
        assert lister.asked == {"a": 1, "b": 1, "c": 1}
        clock.advance(pause - 1)
        sweep(reader)
        assert lister.asked == {"a": 1, "b": 1, "c": 1}
        clock.advance(1)
        sweep(reader)
    # It still fails: one call is enough. It is about another user if the failures may have been about these.
    again = "d" if pause == PAUSE else "a"
    assert lister.asked == Counter("abc" + again)
    (warning,) = [log for log in logs if log["log_level"] == "warning"]
    assert warning == {
        "event": "SSH keys cannot be listed, those known stay as they are",
        "log_level": "warning",
        "organization": "acme",
        "user_id": "a",
        "reason": reason.value,
        "detail": "HTTP 4xx",
    }


def test_users_who_fail_alone_cost_no_other_user_the_keys() -> None:
    lister = Lister(a=ApiError(Reason.NOT_FOUND, "HTTP 404"), b=ApiError(Reason.SERVER_ERROR, "HTTP 500"))
    reader = SshKeyReader("acme", lister, ManualClock())
    sweep(reader, "c")
    with capture_logs() as logs:
        for _ in range(3):
            assert sweep(reader) == [None, None, (a_key(),), (a_key(),), (a_key(),)]
    assert {log["log_level"] for log in logs} == {"debug"}


def test_three_users_in_a_row_whom_the_platform_does_not_know_cost_no_other_user_the_keys() -> None:
    lister = Lister(**{user: ApiError(Reason.NOT_FOUND, "HTTP 404") for user in "bcd"})
    reader = SshKeyReader("acme", lister, ManualClock())
    for _ in range(2):
        assert sweep(reader) == [(a_key(),), None, None, None, (a_key(),)]
    # Before a pause, a user for whom it has worked is asked for once more.
    assert lister.asked == {"a": 4, "b": 2, "c": 2, "d": 2, "e": 2}


def test_a_call_that_does_not_work_any_more_is_left_alone() -> None:
    lister = Lister()
    reader = SshKeyReader("acme", lister, ManualClock())
    sweep(reader, "a")
    lister.fails = failing(Reason.FORBIDDEN).fails
    assert sweep(reader, "b", "c", "d", "e") == [None] * 4
    assert lister.asked == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert reader.problem == "forbidden: HTTP 4xx"


def test_users_whom_the_platform_does_not_know_do_not_hide_the_others_for_ever() -> None:
    lister, clock = Lister(**{user: ApiError(Reason.NOT_FOUND, "HTTP 404") for user in "abc"}), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    assert sweep(reader) == [None] * 5
    clock.advance(PAUSE)
    assert sweep(reader) == [None, None, None, (a_key(),), (a_key(),)]
    assert sweep(reader) == [None, None, None, (a_key(),), (a_key(),)]


def test_the_only_user_is_asked_for_again_after_a_longer_pause() -> None:
    lister, clock = failing(Reason.NOT_FOUND), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    sweep(reader, "a", "a", "a")
    clock.advance(PAUSE)
    sweep(reader, "a")
    assert lister.asked == {"a": 3}
    clock.advance(PAUSE)
    sweep(reader, "a")
    assert lister.asked == {"a": 4}


def test_the_end_of_a_pause_is_logged() -> None:
    lister, clock = failing(Reason.UNSUPPORTED), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    sweep(reader)
    clock.advance(PAUSE)
    lister.fails = {}
    with capture_logs() as logs:
        assert sweep(reader, "a", "b") == [(a_key(),)] * 2
    assert [log["event"] for log in logs] == ["SSH keys can be listed again"]


def test_a_cancelled_call_is_no_failure() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(StoppedError):
        SshKeyReader("acme", Lister(), ManualClock()).keys_of("a", stop)
