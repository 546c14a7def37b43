"""What criteria say about ranges, kinds and users. Searches are tested in test_contents.py."""

from __future__ import annotations

import math

import pytest
from support.builders import NOW, a_failure

from exporter.model.state import UserState
from exporter.model.token import CredentialKind, TokenState
from exporter.model.user import Owner, User
from exporter.state.criteria import Criteria, PollStatus, Span

LI = UserState(User("1", "Li Wei", (), None, Owner("li@x.com", "Ops", "liwei")))


def test_a_range_includes_its_begin_and_not_its_end() -> None:
    span = Span(10, 20)
    assert [span.contains(at) for at in (9.9, 10, 19.9, 20, None)] == [False, True, True, False, False]
    assert [Span().contains(at) for at in (None, math.inf, 0)] == [True, True, True]


def test_policies_are_about_tokens() -> None:
    assert Criteria().kinds == (CredentialKind.TOKEN, CredentialKind.SSH_KEY)
    assert Criteria(policies=frozenset()).kinds == (CredentialKind.TOKEN,)
    assert Criteria(policies=frozenset(), kind=CredentialKind.SSH_KEY).kinds == ()


@pytest.mark.parametrize(
    ("criteria", "tokens", "users"),
    [
        (Criteria(), False, False),
        (Criteria(text="x", organization="acme"), False, False),
        (Criteria(state=TokenState.ACTIVE), True, False),
        (Criteria(expires=Span(start=0)), True, False),
        (Criteria(owner="x"), False, True),
        (Criteria(status=PollStatus.OK), False, True),
    ],
)
def test_what_criteria_are_about(criteria: Criteria, *, tokens: bool, users: bool) -> None:
    assert (criteria.about_tokens, criteria.about_users) == (tokens, users)


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        (Criteria(user="Li Wei"), True),
        (Criteria(user="li wei"), False),
        (Criteria(owner="LIWEI"), True),
        (Criteria(owner="@y.com"), False),
        (Criteria(department="op"), True),
        (Criteria(status=PollStatus.PENDING), True),
        (Criteria(status=PollStatus.FAILING), False),
    ],
)
def test_which_users_fit(criteria: Criteria, *, fits: bool) -> None:
    assert all(check(LI) for check in criteria.user_checks()) is fits


def test_a_failing_user_is_failing_whatever_came_before() -> None:
    polled = LI.succeeded((), NOW)
    assert [PollStatus.of(one) for one in (LI, polled, polled.failed(a_failure(), NOW))] == ["pending", "ok", "failing"]
