"""What violates each policy, and what just does not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from support.builders import DAY, NOW, a_token

from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.base import TokenPolicy
from exporter.policies.builtin import POLICIES
from exporter.policies.evaluate import violations
from exporter.policies.schema import Policies

LI = User("3001", "li.wei")


def policies(**sections: Any) -> Policies:
    return Policies.model_validate(sections)


def broken(rules: Policies, *tokens: Token, now: float = NOW) -> list[tuple[str, str | None]]:
    return [(one.policy.name, one.token_id) for one in violations(LI, tokens, rules, now)]


def living(seconds: float) -> Token:
    """A token made a day ago, with so long a life in all."""
    return a_token(expires_in=seconds - DAY, age=DAY)


@pytest.mark.parametrize(
    ("listed", "forbidden"),
    [
        # pattern: base_user_read, base_.*_write, base_user_read(_write)?
        ((), [False, False, False]),
        (("base_user_read",), [True, False, True]),
        (("base_user_read_write",), [False, True, True]),
        (("base_user_read", "base_user_read_write"), [True, True, True]),
    ],
)
def test_forbidden_permissions_are_matched_as_listed(listed: tuple[str, ...], forbidden: list[bool]) -> None:
    token = a_token(permissions=listed)
    patterns = ("base_user_read", "base_.*_write", "base_user_read(_write)?")
    rules = [policies(forbidden_permissions={"permissions": (pattern,)}) for pattern in patterns]
    assert [bool(broken(one, token)) for one in rules] == forbidden


# For each policy a token that breaks it and one that just does not.
PAIRS: list[tuple[dict[str, Any], Token, Token]] = [
    ({"max_lifetime": {"limit": "90d"}}, living(90 * DAY + 1), living(90 * DAY)),
    ({"never_expires": "forbid"}, a_token(expires_in=NEVER), a_token(expires_in=9e9)),
    (
        {"forbidden_permissions": {"permissions": ("base_.*", "lingma_chat_read", "chat_read_write")}},
        a_token(permissions=("lingma_kbFile_read", "base_user_read_write")),
        a_token(permissions=("lingma_kbFile_read", "lingma_chat_read_write")),
    ),
    ({"max_age": {"limit": "1y"}}, a_token(age=365 * DAY), a_token(age=365 * DAY - 1)),
    ({"name_pattern": {"pattern": "(ci|bot)-.+"}}, a_token(name="ci-"), a_token(name="ci-1")),
    ({"expired_not_removed": {"after": "30d"}}, a_token(expires_in=-30 * DAY), a_token(expires_in=1 - 30 * DAY)),
]


def test_every_policy_for_single_tokens_has_its_pair() -> None:
    assert [name for section, _, _ in PAIRS for name in section] == [
        policy.name for policy in POLICIES if issubclass(policy, TokenPolicy)
    ]


@pytest.mark.parametrize(("section", "bad", "good"), PAIRS, ids=[next(iter(pair[0])) for pair in PAIRS])
def test_a_token_that_violates_the_policy_and_one_that_just_does_not(
    section: dict[str, Any], bad: Token, good: Token
) -> None:
    rules = policies(**section)
    assert broken(rules, bad) == [(next(iter(section)), "pt-aaaa")]
    assert broken(rules, good) == []


def test_one_token_too_many_and_just_as_many_as_allowed() -> None:
    rules = policies(max_tokens_per_user={"limit": 2})
    two = (a_token("1", expires_in=NEVER), a_token("2", expires_in=None))
    assert broken(rules, *two, a_token("dead", expires_in=-1)) == []
    assert broken(rules, *two, a_token("just expired", expires_in=0)) == []
    assert broken(rules, *two, a_token("3")) == [("max_tokens_per_user", None)]


def test_a_token_without_readable_dates_violates_no_policy_about_dates() -> None:
    rules = policies(
        max_lifetime={"limit": "1s"}, never_expires={}, max_age={"limit": "1s"}, expired_not_removed={"after": "0s"}
    )
    assert broken(rules, a_token(expires_in=None, age=None)) == []
    assert broken(rules, a_token(expires_in=NEVER, age=None)) == [("never_expires", "pt-aaaa")]


def test_a_date_that_counts_as_never_violates_max_lifetime_as_well() -> None:
    rules = policies(max_lifetime={"limit": "90d"}, never_expires="forbid")
    distant = living(36_500 * DAY).within(3650 * DAY, NOW)
    assert broken(rules, distant) == [("max_lifetime", "pt-aaaa"), ("never_expires", "pt-aaaa")]


def test_a_token_that_never_expires_does_not_violate_max_lifetime() -> None:
    assert broken(policies(max_lifetime={"limit": "1d"}), a_token(expires_in=NEVER)) == []


def test_forbid_false_is_off() -> None:
    assert broken(policies(never_expires={"forbid": False}), a_token(expires_in=NEVER)) == []


TODAY = dt.date(2026, 6, 1)


@pytest.mark.parametrize(("entry", "counted"), [({"user": "li.wei"}, 0), ({"token_id": "1"}, 2), ({"name": "x"}, 3)])
def test_exempted_tokens_are_not_counted(entry: dict[str, str], counted: int) -> None:
    exceptions = (entry | {"reason": "known", "until": TODAY},)
    tokens = tuple(a_token(name) for name in "123")
    for limit in range(4):
        rules = policies(max_tokens_per_user={"limit": limit, "exceptions": exceptions})
        assert bool(broken(rules, *tokens)) is (counted > limit)


def test_every_policy_says_what_it_means() -> None:
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)
    for policy in POLICIES:
        assert policy.words
        assert policy.meaning
