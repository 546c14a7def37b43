"""Which policies tokens break, from which second, and who is excused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_token, a_user

from exporter.model.severity import Severity
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.definitions import Policy
from exporter.policies.evaluate import next_change, violations
from exporter.policies.schema import Policies

LI = User("3001", "li.wei")


def policies(**sections: Any) -> Policies:
    return Policies.model_validate(sections)


def broken(rules: Policies, *tokens: Token, now: float = NOW) -> list[tuple[str, str | None]]:
    return [(one.policy.value, one.token_id) for one in violations(LI, tokens, rules, now)]


def living(seconds: float) -> Token:
    """A token made a day ago, with so long a life in all."""
    return a_token(expires_in=seconds - DAY, age=DAY)


# For each policy a token that breaks it and one that just does not.
PAIRS: list[tuple[dict[str, Any], Token, Token]] = [
    ({"max_lifetime": {"limit": "90d"}}, living(90 * DAY + 1), living(90 * DAY)),
    ({"never_expires": "forbid"}, a_token(expires_in=NEVER), a_token(expires_in=9e9)),
    (
        {"forbidden_permissions": {"permissions": ("base_.*", "admin")}},
        a_token(permissions=("a", "base_user_write")),
        a_token(permissions=("a", "not_base_user_write", "admins")),
    ),
    ({"max_age": {"limit": "1y"}}, a_token(age=365 * DAY), a_token(age=365 * DAY - 1)),
    ({"name_pattern": {"pattern": "(ci|bot)-.+"}}, a_token(name="ci-"), a_token(name="ci-1")),
    ({"expired_not_removed": {"after": "30d"}}, a_token(expires_in=-30 * DAY), a_token(expires_in=1 - 30 * DAY)),
]


@pytest.mark.parametrize(("section", "bad", "good"), PAIRS, ids=[next(iter(pair[0])) for pair in PAIRS])
def test_a_token_that_breaks_it_and_one_that_just_does_not(section: dict[str, Any], bad: Token, good: Token) -> None:
    rules = policies(**section)
    assert broken(rules, bad) == [(next(iter(section)), "pt-aaaa")]
    assert broken(rules, good) == []


def test_one_token_too_many_and_just_as_many_as_allowed() -> None:
    rules = policies(max_tokens_per_user={"limit": 2})
    two = (a_token("1", expires_in=NEVER), a_token("2", expires_in=None))
    assert broken(rules, *two, a_token("dead", expires_in=-1)) == []
    assert broken(rules, *two, a_token("3")) == [("max_tokens_per_user", None)]


def test_tokens_that_are_only_counted_count() -> None:
    rules = policies(max_tokens_per_user={"limit": 3}, never_expires="forbid")
    for more, expected in ((1, []), (2, ["max_tokens_per_user"])):
        found = violations(a_user(), (a_token("1"), a_token("2")), rules, NOW, more)
        assert [one.policy for one in found] == expected


def test_only_what_has_not_expired_is_judged_but_for_what_is_not_removed() -> None:
    rules = policies(
        max_lifetime={"limit": "1d"},
        forbidden_permissions={"permissions": (".*",)},
        max_age={"limit": "1d"},
        name_pattern={"pattern": "x"},
        expired_not_removed={"after": "0s"},
    )
    dying = a_token(expires_in=10, age=5 * DAY)
    before = ["max_lifetime", "forbidden_permissions", "max_age", "name_pattern"]
    assert [policy for policy, _ in broken(rules, dying, now=NOW + 9)] == before
    assert [policy for policy, _ in broken(rules, dying, now=NOW + 10)] == ["expired_not_removed"]


def test_what_has_no_readable_dates_breaks_no_policy_about_dates() -> None:
    rules = policies(
        max_lifetime={"limit": "1s"}, never_expires={}, max_age={"limit": "1s"}, expired_not_removed={"after": "0s"}
    )
    assert broken(rules, a_token(expires_in=None, age=None)) == []
    assert broken(rules, a_token(expires_in=NEVER, age=None)) == [("never_expires", "pt-aaaa")]


def test_a_token_that_never_expires_breaks_max_lifetime_by_never_expires_alone() -> None:
    assert broken(policies(max_lifetime={"limit": "1d"}), a_token(expires_in=NEVER)) == []


def test_forbid_false_is_off() -> None:
    assert broken(policies(never_expires={"forbid": False}), a_token(expires_in=NEVER)) == []


def test_severities_are_those_of_the_configuration() -> None:
    rules = policies(
        never_expires={"severity": "info"}, forbidden_permissions={"permissions": ("read",)}, max_age={"limit": "1s"}
    )
    found = violations(LI, (a_token(expires_in=NEVER),), rules, NOW)
    assert [(one.policy, one.severity, one.since) for one in found] == [
        (Policy.NEVER_EXPIRES, Severity.INFO, NOW - DAY),
        (Policy.FORBIDDEN_PERMISSIONS, Severity.CRITICAL, NOW - DAY),
        (Policy.MAX_AGE, Severity.WARNING, NOW - DAY + 1),
    ]


YESTERDAY, TODAY = dt.date(2026, 5, 31), dt.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("entry", "excused"),
    [
        ({"user": "3001"}, True),
        ({"user": "li.wei"}, True),
        ({"user": "li"}, False),
        ({"token_id": "pt-aaaa"}, True),
        ({"token_id": "pt-a"}, False),
        ({"name": "c."}, True),
        ({"name": "c"}, False),
        ({"user": "3001", "name": "x"}, False),
    ],
)
def test_an_exception_excuses_until_its_day_is_over(entry: dict[str, str], excused: bool) -> None:  # noqa: FBT001
    def found(until: dt.date, now: float) -> bool:
        exceptions = (entry | {"reason": "known", "until": until},)
        return bool(broken(policies(never_expires={"exceptions": exceptions}), a_token(expires_in=NEVER), now=now))

    assert found(TODAY, NOW) is not excused
    assert found(TODAY, NOW + DAY - 1) is not excused
    assert found(TODAY, NOW + DAY) is True
    assert found(YESTERDAY, NOW) is True


@pytest.mark.parametrize(("entry", "counted"), [({"user": "li.wei"}, 0), ({"token_id": "1"}, 2), ({"name": "x"}, 3)])
def test_what_an_exception_names_is_not_counted(entry: dict[str, str], counted: int) -> None:
    exceptions = (entry | {"reason": "known", "until": TODAY},)
    tokens = tuple(a_token(name) for name in "123")
    for limit in range(4):
        rules = policies(max_tokens_per_user={"limit": limit, "exceptions": exceptions})
        assert bool(broken(rules, *tokens)) is (counted > limit)


def test_tokens_that_cannot_be_told_apart_are_one_violation_even_if_only_one_of_them_breaks_it() -> None:
    rules = policies(never_expires="forbid")
    twins = (a_token("pt-***", expires_in=5), a_token("pt-***", expires_in=NEVER), a_token("pt-***", expires_in=NEVER))
    assert broken(rules, *twins) == [("never_expires", "pt-***")]


def test_the_verdict_changes_next_when_a_token_grows_old() -> None:
    rules = policies(max_age={"limit": "10d"}, expired_not_removed={"after": "3d"})
    token = a_token(expires_in=20 * DAY, age=DAY)
    assert next_change((token,), rules, NOW) == NOW + 9 * DAY
    assert next_change((token,), rules, NOW + 9 * DAY) == NOW + 20 * DAY
    assert next_change((token,), rules, NOW + 20 * DAY) == NOW + 23 * DAY
    assert next_change((token,), rules, NOW + 23 * DAY) == NEVER
    assert next_change((token,), policies(), NOW) == NEVER


SECONDS = st.integers(min_value=-100, max_value=100)
TOKENS = st.builds(
    lambda number, permissions, created, expires: Token(
        f"pt-{number}",
        f"t{number}",
        permissions,
        None if created is None else NOW + created,
        expires if expires in {None, NEVER} else NOW + expires,
    ),
    st.integers(min_value=0, max_value=3),
    st.sampled_from([(), ("read",), ("read", "write")]),
    st.none() | SECONDS,
    st.none() | st.just(NEVER) | SECONDS,
)
LENGTH = st.integers(min_value=1, max_value=100).map(lambda seconds: f"{seconds}s")
EXCEPTION = st.fixed_dictionaries(
    {
        "token_id": st.sampled_from(["pt-0", "pt-1"]),
        "reason": st.just("x"),
        # the days end at NOW, which is a midnight, and a day before and after it
        "until": st.sampled_from([dt.date(2026, 5, 30), dt.date(2026, 5, 31), dt.date(2026, 6, 1)]),
    }
)


def optional(**keys: Any) -> Any:
    exceptions = st.lists(EXCEPTION, max_size=1).map(tuple)
    return st.none() | st.fixed_dictionaries({**keys, "exceptions": exceptions})


RULES = st.fixed_dictionaries(
    {
        "max_lifetime": optional(limit=LENGTH),
        "never_expires": optional(),
        "forbidden_permissions": optional(permissions=st.just(("w.*",))),
        "max_tokens_per_user": optional(limit=st.integers(min_value=0, max_value=3)),
        "max_age": optional(limit=LENGTH),
        "name_pattern": optional(pattern=st.just("t[01]")),
        "expired_not_removed": optional(after=LENGTH),
    }
).map(lambda given: Policies.model_validate({key: value for key, value in given.items() if value is not None}))


@given(st.lists(TOKENS, max_size=5).map(tuple), RULES, SECONDS, st.lists(st.integers(0, 300), max_size=20))
def test_no_verdict_changes_before_the_next_change(
    tokens: tuple[Token, ...], rules: Policies, start: int, later: list[int]
) -> None:
    now = NOW + start
    verdict = violations(LI, tokens, rules, now)
    until = next_change(tokens, rules, now)
    assert until > now
    for moment in [now + seconds for seconds in later] + [until - 0.001]:
        if now <= moment < until and moment < NEVER:
            assert violations(LI, tokens, rules, moment) == verdict
