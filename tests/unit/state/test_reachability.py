"""Since when no user of an organization can be polled, whatever happens in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import HOUR, MINUTE, NOW, a_failure

from exporter.model.snapshot import Outage
from exporter.model.state import Failure, Reason, UserState
from exporter.model.user import User
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

REFUSED = Failure(Reason.UNAUTHORIZED, "HTTP 401")
TIMEOUT = Failure(Reason.TIMEOUT, "no answer within 10 s")


def users(count: int) -> list[User]:
    return [User(f"u{number}", f"name {number}") for number in range(count)]


def a_ledger(count: int) -> Ledger:
    """Users that were polled one after the other, a second each, until now."""
    ledger = Ledger("acme", users(count), since=NOW)
    for number in range(count):
        ledger.succeeded(f"u{number}", (), NOW - count + number)
    return ledger


def outage(ledger: Ledger) -> Outage | None:
    return ledger.view().outage


def test_no_user_can_be_polled_once_each_has_failed_since_the_first_failure() -> None:
    ledger = a_ledger(3)
    ledger.failed("u0", TIMEOUT, NOW + 60)
    ledger.failed("u1", TIMEOUT, NOW + 61)
    assert outage(ledger) is None
    ledger.failed("u2", a_failure(), NOW + 62)
    expected = Outage(NOW + 60, Reason.TIMEOUT, "no answer within 10 s", confirmed=False)
    assert outage(ledger) == expected
    ledger.failed("u1", TIMEOUT, NOW + 960)
    assert outage(ledger) == expected
    ledger.succeeded("u2", (), NOW + 963)
    assert outage(ledger) == Outage(
        NOW + 60, Reason.TIMEOUT, "no answer within 10 s", confirmed=False, ended_at=NOW + 963
    )


def test_a_user_that_failed_before_does_not_say_since_when() -> None:
    ledger = a_ledger(2)
    ledger.failed("u0", a_failure(Reason.NOT_FOUND), NOW - HOUR)
    ledger.succeeded("u1", (), NOW)
    ledger.failed("u1", TIMEOUT, NOW + 60)
    found = outage(ledger)
    assert found is not None
    assert (found.since, found.ended_at) == (NOW + 60, None)


def test_a_refused_token_is_confirmed_at_once_until_a_poll_succeeds() -> None:
    ledger = a_ledger(600)
    ledger.all_failed(REFUSED, NOW + 60)
    assert outage(ledger) == Outage(NOW + 60, Reason.UNAUTHORIZED, "HTTP 401", confirmed=True)
    # What follows may be of another kind: it is the same outage.
    for number in range(600):
        ledger.failed(f"u{number}", TIMEOUT, NOW + 960)
    assert outage(ledger) == Outage(NOW + 60, Reason.TIMEOUT, "no answer within 10 s", confirmed=True)
    ledger.succeeded("u5", (), NOW + 2000)
    ended = outage(ledger)
    assert ended is not None
    assert (ended.confirmed, ended.ended_at) == (True, NOW + 2000)
    # A second user that is polled again does not move the end.
    ledger.succeeded("u6", (), NOW + 2001)
    assert outage(ledger) == ended


def test_a_refusal_is_confirmed_also_after_other_failures() -> None:
    ledger = a_ledger(2)
    for number in range(2):
        ledger.failed(f"u{number}", TIMEOUT, NOW + number)
    ledger.all_failed(REFUSED, NOW + 900)
    assert outage(ledger) == Outage(NOW, Reason.UNAUTHORIZED, "HTTP 401", confirmed=True)


def test_a_success_that_only_another_replica_saw_ends_an_outage() -> None:
    ledger, other = a_ledger(1), a_ledger(1)
    for one in (ledger, other):
        one.all_failed(REFUSED, NOW + 60)
    other.succeeded("u0", (), NOW + 900)
    other.failed("u0", TIMEOUT, NOW + 1800)
    ledger.take(other.view().users[0])
    assert outage(ledger) == outage(other) == Outage(NOW + 1800, Reason.TIMEOUT, TIMEOUT.message, confirmed=False)


def test_of_the_users_of_a_slow_sweep_twenty_failures_in_a_row_are_enough() -> None:
    ledger = a_ledger(100)
    for number in range(19):
        ledger.failed(f"u{number}", TIMEOUT, NOW + number)
    assert outage(ledger) is None
    ledger.failed("u19", TIMEOUT, NOW + 19)
    assert outage(ledger) == Outage(NOW, Reason.TIMEOUT, "no answer within 10 s", confirmed=False)
    ledger.succeeded("u50", (), NOW + 20)
    ended = outage(ledger)
    assert ended is not None
    assert ended.ended_at == NOW + 20
    # The failures before the success count no more.
    ledger.failed("u60", TIMEOUT, NOW + 21)
    assert outage(ledger) == ended


def test_users_that_were_never_polled_neither_make_nor_end_an_outage() -> None:
    ledger = Ledger("acme", users(3), since=NOW)
    assert outage(ledger) is None
    ledger.failed("u0", TIMEOUT, NOW + 1)
    assert outage(ledger) == Outage(NOW + 1, Reason.TIMEOUT, "no answer within 10 s", confirmed=False)
    ledger.watch([*users(3), User("new", "new")])
    found = outage(ledger)
    assert found is not None
    assert (found.since, found.ended_at) == (NOW + 1, None)
    assert outage(Ledger("empty", (), since=NOW)) is None


def test_the_last_user_that_could_be_polled_is_removed() -> None:
    ledger = a_ledger(2)
    ledger.failed("u0", TIMEOUT, NOW - HOUR)
    ledger.succeeded("u1", (), NOW)
    assert outage(ledger) is None
    ledger.watch(users(1))
    found = outage(ledger)
    assert found is not None
    assert (found.since, found.reason) == (NOW - HOUR, Reason.TIMEOUT)


def test_the_most_frequent_reason_counts() -> None:
    ledger = a_ledger(3)
    for number, reason in enumerate((Reason.TIMEOUT, Reason.FORBIDDEN, Reason.FORBIDDEN)):
        ledger.failed(f"u{number}", a_failure(reason), NOW + number)
    found = outage(ledger)
    assert found is not None
    assert found.reason is Reason.FORBIDDEN


@pytest.mark.parametrize("confirmed", [True, False])
def test_an_outage_survives_a_restart_and_reaches_replicas(confirmed: bool) -> None:  # noqa: FBT001 - both cases
    ledger = a_ledger(30)
    if confirmed:
        ledger.all_failed(REFUSED, NOW + 60)
    else:
        for number in range(30):
            ledger.failed(f"u{number}", TIMEOUT, NOW + 60 + number)
    expected = outage(ledger)
    assert expected is not None
    assert (expected.since, expected.confirmed) == (NOW + 60, confirmed)
    assert outage(Ledger("acme", users(30), ledger.view(), since=NOW + HOUR)) == expected
    replica = a_ledger(30)
    for state in ledger.view().users:
        replica.take(state)
    assert outage(replica) == expected


def test_an_outage_counts_at_once_if_it_is_confirmed_else_after_a_while() -> None:
    soft = Outage(NOW, Reason.TIMEOUT, "", confirmed=False)
    hard = Outage(NOW, Reason.UNAUTHORIZED, "", confirmed=True)
    assert (soft.begins_to_count(30 * MINUTE), hard.begins_to_count(30 * MINUTE)) == (NOW + 30 * MINUTE, NOW)


def lasts(states: Iterable[UserState], lately: int) -> bool:
    """Whether no user can be polled, from the states alone."""
    some = list(states)
    failing = [state for state in some if state.failure is not None]
    return bool(failing) and (len(failing) == sum(state.polled for state in some) or lately >= 20)


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "all", "watch"]), st.integers(0, 24)), max_size=80))
def test_it_lasts_while_every_polled_user_fails_or_twenty_have_since_the_last_success(
    history: list[tuple[str, int]],
) -> None:
    ledger = Ledger("acme", users(25), since=NOW)
    lately: set[str] = set()
    for step, (action, number) in enumerate(history):
        at, user_id = NOW + step, f"u{number}"
        state = ledger.state(user_id)
        if action == "ok" and state is not None:
            ledger.succeeded(user_id, (), at)
            lately.clear()
        elif action == "fail" and state is not None:
            lately |= {user_id} if state.failure is None else set()
            ledger.failed(user_id, TIMEOUT, at)
        elif action == "all":
            lately |= {one.user.user_id for one in ledger.view().users if one.failure is None}
            ledger.all_failed(REFUSED, at)
        elif action == "watch":
            ledger.watch(users(max(number, 1)))
            lately &= {user.user_id for user in users(max(number, 1))}
        found = outage(ledger)
        assert (found is not None and found.ended_at is None) == lasts(ledger.view().users, len(lately))
