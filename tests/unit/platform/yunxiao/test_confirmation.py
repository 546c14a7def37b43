from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from support.platform_calls import LIST, TOKEN, Calls, http, refused, to_login

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.confirmation import Call, Sender, token_question
from exporter.platform.yunxiao.refusals import Question

if TYPE_CHECKING:
    from exporter.common.secrets import Secret

PAGE = Question(Operation.LIST_USERS, "platform/users", {"page": "1"})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait; none takes time."""
    seconds: list[float] = []

    def note(stop: Stop, time: float | None) -> bool:
        assert time is not None
        seconds.append(time)
        return stop.is_set()

    monkeypatch.setattr(Stop, "wait", note)
    return seconds


class Setup:
    def __init__(self, *valid: Secret, users: tuple[str, ...] = ("u1", "u2", "u3")) -> None:
        self.calls = Calls(*valid)
        self.accepted: list[Secret] = []
        self.retries = 0
        self.stop = Stop()
        self.sender = Sender(self.calls.attempt, self.accepted.append)
        self.sender.users = lambda: users

    def call(self, question: Question | None = None) -> Call:
        return Call(self.sender, question or token_question("u1"), TOKEN, self._retry, self.stop)

    def _retry(self) -> None:
        self.retries += 1

    def is_refused(self, question: Question | None = None) -> bool:
        call = self.call(question)
        assert isinstance(call.send(), ApiError)
        return call.is_token_refused()


def test_the_same_call_is_repeated_after_half_a_second_to_a_second(waits: list[float]) -> None:
    setup = Setup(TOKEN)
    setup.calls.script("u1", refused())
    assert not setup.is_refused()
    assert (setup.calls.asked, setup.retries) == (["u1", "u1"], 1)
    assert len(waits) == 1
    assert 0.5 <= waits[0] <= 1.0


def test_a_refused_token_takes_the_same_call_another_users_and_the_same_again(waits: list[float]) -> None:
    setup = Setup()
    assert setup.is_refused()
    assert (setup.calls.asked, setup.retries, len(waits)) == (["u1", "u1", "u2", "u1"], 2, 2)
    assert setup.accepted == []


@pytest.mark.usefixtures("waits")
def test_the_last_of_three_wrong_refusals_is_not_final() -> None:
    setup = Setup(TOKEN)
    setup.calls.script("u1", refused(), refused())
    setup.calls.script("u2", refused())
    assert not setup.is_refused()
    assert setup.calls.asked == ["u1", "u1", "u2", "u1"]


@pytest.mark.usefixtures("waits")
def test_another_user_shows_that_the_token_is_good_and_the_call_is_sent_once_more() -> None:
    setup = Setup(TOKEN)
    setup.calls.always["u1"] = refused()
    call = setup.call()
    call.send()
    assert not call.is_token_refused()
    assert setup.calls.asked == ["u1", "u1", "u2"]
    outcome = call.send_again()
    assert isinstance(outcome, ApiError)
    assert outcome.refusal is Refusal.TOKEN
    assert setup.calls.asked == ["u1", "u1", "u2", "u1"]


@pytest.mark.usefixtures("waits")
def test_after_the_verdict_of_another_thread_the_call_is_sent_until_it_is_answered() -> None:
    setup = Setup(TOKEN)
    setup.calls.script("u1", refused(), refused())
    call = setup.call()
    call.send()
    assert call.send_again() == (LIST, {})
    assert setup.calls.asked == ["u1"] * 3


@pytest.mark.usefixtures("waits")
def test_the_user_asked_for_is_the_last_one_that_was_accepted() -> None:
    setup = Setup(TOKEN)
    for user in ("u7", "u8"):
        setup.sender.send(token_question(user), TOKEN, setup.stop)
    setup.sender.send(PAGE, TOKEN, setup.stop)
    setup.calls.valid = ()
    setup.calls.asked.clear()
    assert setup.is_refused()
    assert setup.calls.asked == ["u1", "u1", "u8", "u1"]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("users", [(), ("u1",)])
def test_without_another_user_the_same_call_decides(users: tuple[str, ...]) -> None:
    setup = Setup(users=users)
    assert setup.is_refused()
    assert setup.calls.asked == ["u1"] * 3


@pytest.mark.usefixtures("waits")
def test_a_refused_page_is_confirmed_with_a_user() -> None:
    setup = Setup(TOKEN)
    setup.calls.always["platform/users"] = refused()
    assert not setup.is_refused(PAGE)
    assert setup.calls.asked == ["platform/users", "platform/users", "u1"]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("reply", "accepted"),
    [
        (http(403, Reason.FORBIDDEN), True),
        (http(404, Reason.NOT_FOUND), True),
        (http(400, Reason.UNSUPPORTED), True),
        (refused(), False),
        (to_login(), False),
    ],
)
def test_what_the_answer_for_another_user_says_about_the_token(reply: ApiError, accepted: bool) -> None:  # noqa: FBT001
    setup = Setup()
    setup.calls.always["u2"] = reply
    assert setup.is_refused() is not accepted
    assert "u3" not in setup.calls.asked


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    "reply", [http(500, Reason.SERVER_ERROR), ApiError(Reason.TIMEOUT, "slow"), b" <!DOCTYPE html><html></html>"]
)
def test_one_more_user_is_asked_for_if_the_first_answer_says_nothing(reply: ApiError | bytes) -> None:
    setup = Setup(TOKEN, users=("u1", "u2", "u3", "u4"))
    setup.calls.always |= {"u1": refused(), "u2": reply}
    assert not setup.is_refused()
    assert setup.calls.asked == ["u1", "u1", "u2", "u3"]
    setup.calls.always |= {"u3": reply, "u4": reply}
    setup = Setup(users=("u1", "u2", "u3", "u4"))
    setup.calls.always |= {"u2": reply, "u3": reply}
    assert setup.is_refused()
    assert setup.calls.asked == ["u1", "u1", "u2", "u3", "u1"]


@pytest.mark.usefixtures("waits")
def test_another_failure_of_the_repeated_call_is_the_outcome() -> None:
    setup = Setup()
    setup.calls.script("u1", refused(), http(500, Reason.SERVER_ERROR))
    with pytest.raises(ApiError) as caught:
        setup.is_refused()
    assert caught.value.reason is Reason.SERVER_ERROR
    assert setup.calls.asked == ["u1", "u1"]


@pytest.mark.usefixtures("waits")
def test_a_stop_ends_the_pause() -> None:
    setup = Setup()
    call = setup.call()
    call.send()
    setup.stop.set()
    with pytest.raises(StoppedError):
        call.is_token_refused()
    assert setup.calls.asked == ["u1"]


@pytest.mark.parametrize(
    ("reply", "accepted"),
    [
        (LIST, 1),
        (b'{"data": []}', 1),
        (b"<html>", 0),
        (http(403, Reason.FORBIDDEN), 1),
        (http(500, Reason.SERVER_ERROR), 0),
        (refused(), 0),
    ],
)
def test_accepted_tokens_are_reported(reply: ApiError | bytes, accepted: int) -> None:
    setup = Setup()
    setup.calls.always["u1"] = reply
    with contextlib.suppress(ApiError):
        setup.call().send()
    assert setup.accepted == [TOKEN] * accepted
