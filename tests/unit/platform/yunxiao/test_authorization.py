from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builders import ManualClock
from support.platform_calls import LIST, NEXT, TOKEN, Calls, Tokens, http, refused, to_login

from exporter.common.cancellation import Stop
from exporter.common.secrets import Secret
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.authorization import Authorization
from exporter.platform.yunxiao.confirmation import token_question
from exporter.platform.yunxiao.refusals import Question

PAGE = Question(Operation.LIST_USERS, "platform/users", {})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Stop.wait
    monkeypatch.setattr(Stop, "wait", lambda stop, seconds: wait(stop, None if seconds is None else 0.0))


class Setup:
    def __init__(self, *tokens: Secret, accepts: tuple[Secret, ...] = ()) -> None:
        self.calls = Calls(*accepts)
        self.tokens = Tokens(*(tokens or (TOKEN,)))
        self.retries = 0
        self.clock = ManualClock()
        self.authorization = Authorization(self.tokens, self.calls.attempt, self.count_retry, self.clock)
        self.authorization.confirm_with(lambda: ("u1", "u2", "u3"))

    def count_retry(self) -> None:
        self.retries += 1

    def ask(self, subject: str = "u1") -> object:
        question = PAGE if subject == PAGE.path else token_question(subject)
        return self.authorization.answer(question, Stop())[0]

    def fails(self, subject: str = "u1") -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.ask(subject)
        return caught.value

    def taken(self) -> list[str]:
        """The requests since the last call, such as ``a:u1`` for one with the first token."""
        names = {TOKEN: "a", NEXT: "b"}
        asked = [f"{names.get(t, 'c')}:{u}" for t, u in zip(self.calls.tokens, self.calls.asked, strict=True)]
        self.calls.tokens.clear()
        self.calls.asked.clear()
        return asked


def test_a_wrong_refusal_is_hidden_by_the_same_call() -> None:
    setup = Setup(accepts=(TOKEN,))
    setup.calls.script("u1", refused())
    assert setup.ask() == LIST
    assert setup.taken() == ["a:u1", "a:u1"]
    assert (setup.retries, setup.authorization.refused) == (1, ())


def test_a_refused_token_is_found_with_three_more_requests() -> None:
    setup = Setup()
    error = setup.fails()
    assert (error.reason, error.refusal, error.detail) == (Reason.UNAUTHORIZED, Refusal.TOKEN, "HTTP 401")
    assert setup.taken() == ["a:u1", "a:u1", "a:u2", "a:u1"]
    assert setup.authorization.refused == (TOKEN,)


def test_a_user_that_is_refused_alone_fails_alone() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(TOKEN, NEXT))
    setup.calls.always["u1"] = refused()
    error = setup.fails()
    assert (error.reason, error.refusal, error.status) == (Reason.UNAUTHORIZED, Refusal.CALL, 401)
    assert error.detail == "HTTP 401; repeatedly, for this user only: the token works for other users"
    # The other file is left alone: the token is good.
    assert setup.taken() == ["a:u1", "a:u1", "a:u2", "a:u1"]
    assert (setup.tokens.in_use, setup.authorization.refused) == (TOKEN, ())


def test_a_refused_page_is_no_refused_token() -> None:
    setup = Setup(accepts=(TOKEN,))
    setup.calls.always[PAGE.path] = refused()
    error = setup.fails(PAGE.path)
    assert (error.refusal, "for this call only" in error.detail) == (Refusal.CALL, True)


def test_a_wrong_refusal_does_not_take_the_next_token() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(TOKEN, NEXT))
    for user in ("u1", "u2"):
        setup.calls.script(user, refused(), refused())
    assert setup.ask() == LIST
    assert setup.taken() == ["a:u1", "a:u1", "a:u2", "a:u1"]
    assert setup.tokens.in_use == TOKEN


def test_the_next_token_is_taken_after_a_confirmed_refusal_and_is_confirmed_too() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(NEXT,))
    # Four refusals of the first token, and a wrong one of the second.
    setup.calls.script("u1", *[refused() for _ in range(4)])
    assert setup.ask() == LIST
    assert setup.taken() == ["a:u1", "a:u1", "a:u2", "a:u1", "b:u1", "b:u1"]
    assert setup.tokens.in_use == NEXT
    setup.ask("u2")
    assert setup.taken() == ["b:u2"]


@pytest.mark.parametrize("reply", [http(403, Reason.FORBIDDEN), http(404, Reason.NOT_FOUND)])
def test_a_next_token_that_is_accepted_stays_in_use_although_the_call_fails(reply: ApiError) -> None:
    setup = Setup(TOKEN, NEXT, accepts=(NEXT,))
    setup.calls.script("u1", refused(), refused(), refused(), reply)
    assert setup.fails().reason is reply.reason
    assert setup.tokens.in_use == NEXT


def test_a_next_token_that_works_for_other_users_stays_in_use() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(NEXT,))
    setup.calls.always["u1"] = refused()
    assert setup.fails().refusal is Refusal.CALL
    assert setup.tokens.in_use == NEXT


def test_a_next_token_that_cannot_be_tried_now_does_not_stay_in_use() -> None:
    setup = Setup(TOKEN, NEXT)
    setup.calls.script("u1", refused(), refused(), refused(), http(500, Reason.SERVER_ERROR))
    assert setup.fails().reason is Reason.SERVER_ERROR
    assert setup.tokens.in_use == TOKEN


def test_a_confirmed_refusal_is_not_confirmed_again_for_a_minute() -> None:
    setup = Setup()
    setup.fails("u1")
    setup.taken()
    setup.fails("u3")
    assert setup.taken() == ["a:u3"]
    setup.clock.advance(60)
    setup.fails("u3")
    assert setup.taken() == ["a:u3", "a:u3", "a:u1", "a:u3"]
    setup.calls.valid = (TOKEN,)
    setup.ask("u2")
    setup.taken()
    setup.calls.script("u3", refused())
    setup.ask("u3")
    assert setup.taken() == ["a:u3", "a:u3"]


@pytest.mark.parametrize("threads", [1, 8, 64])
def test_a_refused_token_costs_the_requests_in_flight_and_three(threads: int) -> None:
    setup = Setup(accepts=(TOKEN,))
    setup.ask("u0")
    setup.taken()
    setup.calls.valid = ()
    errors: list[ApiError] = []

    def poll(user: str) -> None:
        errors.append(setup.fails(user))

    running = [threading.Thread(target=poll, args=(f"u{number}",), daemon=True) for number in range(1, threads + 1)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10)
    assert [error.refusal for error in errors] == [Refusal.TOKEN] * threads
    assert len(setup.taken()) == threads + 3


def test_many_users_that_are_refused_alone_are_found_at_the_same_time() -> None:
    setup = Setup(accepts=(TOKEN,))
    users = [f"u{number}" for number in range(1, 17)]
    setup.calls.always |= dict.fromkeys(users, refused())
    setup.authorization.confirm_with(lambda: ("good",))
    errors: list[ApiError] = []
    running = [threading.Thread(target=lambda user=user: errors.append(setup.fails(user))) for user in users]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10)
    assert [error.refusal for error in errors] == [Refusal.CALL] * 16
    asked = setup.taken()
    assert [asked.count(f"a:{user}") for user in users] == [3] * 16
    assert 1 <= asked.count("a:good") <= 16


def test_a_redirect_to_a_login_page_is_final_without_another_token() -> None:
    setup = Setup()
    setup.calls.refusal = to_login
    error = setup.fails()
    assert (error.reason, error.refusal) == (Reason.REDIRECT, Refusal.POSSIBLE)
    assert setup.taken() == ["a:u1"]


def test_a_confirmed_redirect_to_a_login_page_takes_the_next_token() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(TOKEN, NEXT))
    setup.calls.refusal = to_login
    setup.calls.script("u1", to_login())
    setup.ask()
    assert setup.taken() == ["a:u1", "a:u1"]
    assert setup.tokens.in_use == TOKEN
    setup.calls.valid = (NEXT,)
    setup.ask("u2")
    assert setup.taken() == ["a:u2", "a:u2", "a:u1", "a:u2", "b:u2"]
    assert setup.tokens.in_use == NEXT


def test_if_every_token_is_redirected_the_address_may_be_wrong_and_little_is_asked() -> None:
    setup = Setup(TOKEN, NEXT)
    setup.calls.refusal = to_login
    error = setup.fails("u1")
    assert (error.reason, setup.authorization.refused, setup.tokens.in_use) == (Reason.REDIRECT, (), TOKEN)
    assert setup.taken() == ["a:u1", "a:u1", "a:u2", "a:u1", "b:u1"]
    setup.fails("u2")
    assert setup.taken() == ["a:u2", "b:u2"]


def test_a_user_that_is_redirected_alone_fails_as_redirected() -> None:
    setup = Setup(TOKEN, NEXT, accepts=(TOKEN,))
    setup.calls.always["u1"] = to_login()
    error = setup.fails()
    assert (error.reason, error.refusal, error.detail) == (
        Reason.REDIRECT,
        Refusal.POSSIBLE,
        "HTTP 302 to a login page",
    )
    assert setup.tokens.in_use == TOKEN


@pytest.mark.parametrize("first_is_redirected", [True, False])
def test_a_401_of_one_token_says_more_than_a_redirect_of_another(first_is_redirected: bool) -> None:  # noqa: FBT001
    setup = Setup(TOKEN, NEXT)
    replies = {True: to_login, False: refused}
    setup.calls.script("u1", *[replies[first_is_redirected]() for _ in range(3)])
    setup.calls.script("u2", replies[first_is_redirected]())
    setup.calls.refusal = replies[not first_is_redirected]
    assert setup.fails().refusal is Refusal.TOKEN
    assert setup.authorization.refused == (TOKEN, NEXT)


def test_a_token_file_that_changes_all_the_time_is_given_up_after_ten_tokens() -> None:
    setup = Setup(*(Secret(f"pt-{number}_1") for number in range(20)))
    setup.fails()
    assert len(setup.authorization.refused) == 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), max_size=60), st.booleans())
def test_two_wrong_refusals_in_four_requests_cost_no_user_and_no_token(wrong: list[bool], redirects: bool) -> None:  # noqa: FBT001
    # One call is sent three times, with one request about another user in between.
    setup = Setup(TOKEN, NEXT, accepts=(TOKEN, NEXT))
    past: list[bool] = []
    attempt = setup.calls.attempt

    def sometimes(question: Question, token: Secret, stop: Stop) -> tuple[bytes, dict[str, str]]:
        number = len(past)
        past.append(number < len(wrong) and wrong[number] and sum(past[-3:]) < 2)
        if past[-1]:
            raise to_login() if redirects else refused()
        return attempt(question, token, stop)

    authorization = Authorization(setup.tokens, sometimes, setup.count_retry, setup.clock)
    for number in range(20):
        assert authorization.answer(token_question(f"u{number}"), Stop()) == (LIST, {})
    assert (setup.tokens.in_use, authorization.refused) == (TOKEN, ())
    assert len(past) <= 20 + 3 * sum(past)
