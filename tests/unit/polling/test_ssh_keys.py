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
from exporter.polling.ssh_keys import PAUSE, SshKeyReader

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
    assert [log["event"] for log in warnings] == ["SSH keys are not offered by the platform and not watched"]
    assert warnings[0]["organization"] == "acme"


@pytest.mark.parametrize("reason", [Reason.FORBIDDEN, Reason.NOT_FOUND])
def test_three_refusals_in_a_row_stop_the_calls_for_an_hour(reason: Reason) -> None:
    lister, clock = failing(reason), ManualClock()
    reader = SshKeyReader("acme", lister, clock)
    sweep(reader)
    assert lister.asked == {"a": 1, "b": 1, "c": 1}
    clock.advance(PAUSE)
    sweep(reader)
    # Still refused: one call is enough.
    assert lister.asked == {"a": 2, "b": 1, "c": 1}


def test_a_user_whom_the_platform_does_not_know_costs_no_other_user_the_keys() -> None:
    lister = Lister(a=ApiError(Reason.NOT_FOUND, "HTTP 404"), b=ApiError(Reason.FORBIDDEN, "HTTP 403"))
    reader = SshKeyReader("acme", lister, ManualClock())
    for _ in range(3):
        assert sweep(reader) == [None, None, (a_key(),), (a_key(),), (a_key(),)]


def test_other_failures_are_tried_again_with_every_user_and_said_once() -> None:
    lister = failing(Reason.SERVER_ERROR)
    reader = SshKeyReader("acme", lister, ManualClock())
    with capture_logs() as logs:
        sweep(reader)
        lister.fails = {}
        assert sweep(reader, "a") == [(a_key(),)]
    assert lister.asked == {"a": 2, "b": 1, "c": 1, "d": 1, "e": 1}
    (warning,) = [log for log in logs if log["log_level"] != "debug"]
    assert warning == {
        "event": "SSH keys of a user cannot be listed, those known stay",
        "log_level": "warning",
        "organization": "acme",
        "user_id": "a",
        "reason": "server_error",
        "detail": "HTTP 4xx",
    }


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
