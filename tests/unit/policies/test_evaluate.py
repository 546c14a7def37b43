"""Which policies tokens violate, and when that changes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_token, a_user

from exporter.model.severity import Severity
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.builtin import ForbiddenPermissions, MaxAge, NeverExpires
from exporter.policies.evaluate import next_change, violations
from exporter.policies.schema import Policies

LI = User("3001", "li.wei")


def policies(**sections: Any) -> Policies:
    return Policies.model_validate(sections)


def broken(rules: Policies, *tokens: Token, now: float = NOW) -> list[tuple[str, str | None]]:
    return [(one.policy.name, one.token_id) for one in violations(LI, tokens, rules, now)]


def test_tokens_that_are_only_counted_add_to_the_count() -> None:
    rules = policies(max_tokens_per_user={"limit": 3}, never_expires="forbid")
    for more, expected in ((1, []), (2, ["max_tokens_per_user"])):
        found = violations(a_user(), (a_token("1"), a_token("2")), rules, NOW, more)
        assert [one.policy.name for one in found] == expected


def test_only_unexpired_tokens_without_an_exemption_count() -> None:
    exception = {"token_id": "pt-0", "reason": "x", "until": dt.date(2026, 6, 30)}
    rules = policies(max_tokens_per_user={"limit": 2, "exceptions": (exception,)})
    exempt, expired = a_token("pt-0"), a_token("pt-9", expires_in=-1)
    two = (a_token("pt-1"), a_token("pt-2", expires_in=NEVER))
    assert broken(rules, exempt, expired, *two) == []
    assert broken(rules, exempt, expired, *two, a_token("pt-3")) == [("max_tokens_per_user", None)]
    # At the moment of its expiry a token does not count any more.
    assert broken(rules, *two, a_token("pt-4", expires_in=0)) == []


def test_a_violation_ends_with_the_token() -> None:
    rules = policies(max_lifetime={"limit": "1d"})
    token = a_token(expires_in=3 * DAY)
    assert broken(rules, token) == [("max_lifetime", "pt-aaaa")]
    assert broken(rules, token, now=NOW + 3 * DAY) == broken(rules, token, now=NOW + 4 * DAY) == []


def test_policies_apply_to_unexpired_tokens_except_expired_not_removed() -> None:
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


def test_severities_are_those_of_the_configuration() -> None:
    rules = policies(
        never_expires={"severity": "info"},
        forbidden_permissions={"permissions": ("base_user_read",)},
        max_age={"limit": "1s"},
    )
    found = violations(LI, (a_token(expires_in=NEVER),), rules, NOW)
    assert [(one.policy, one.severity, one.since) for one in found] == [
        (NeverExpires, Severity.INFO, NOW - DAY),
        (ForbiddenPermissions, Severity.CRITICAL, NOW - DAY),
        (MaxAge, Severity.WARNING, NOW - DAY + 1),
    ]


def test_tokens_with_the_same_id_and_name_are_one_violation() -> None:
    rules = policies(never_expires="forbid")
    twins = (a_token("pt-***", expires_in=5), a_token("pt-***", expires_in=NEVER), a_token("pt-***", expires_in=NEVER))
    assert broken(rules, *twins) == [("never_expires", "pt-***")]


def test_the_next_change_is_when_a_token_reaches_the_age_limit() -> None:
    rules = policies(max_age={"limit": "10d"}, expired_not_removed={"after": "3d"})
    token = a_token(expires_in=20 * DAY, age=DAY)
    assert next_change((token,), rules, NOW) == NOW + 9 * DAY
    assert next_change((token,), rules, NOW + 9 * DAY) == NOW + 20 * DAY
    assert next_change((token,), rules, NOW + 20 * DAY) == NOW + 23 * DAY
    assert next_change((token,), rules, NOW + 23 * DAY) == NEVER
    assert next_change((token,), policies(), NOW) == NEVER


def test_the_end_of_an_exemption_changes_only_what_it_matches() -> None:
    end = dt.date(2026, 6, 30)
    ends_at = dt.datetime(2026, 7, 1, tzinfo=dt.UTC).timestamp()
    exceptions = ({"user": "li.wei", "token_id": "pt-1", "reason": "x", "until": end},)
    rules = policies(never_expires={"exceptions": exceptions})
    tokens = (a_token("pt-1", expires_in=NEVER), a_token("pt-2", expires_in=NEVER))
    assert next_change(tokens, rules, NOW, LI) == ends_at
    assert next_change(tokens[1:], rules, NOW, LI) == NEVER
    assert next_change(tokens, rules, NOW, User("3001", "zhang.san")) == NEVER
    # Without a user, any entry may match.
    assert next_change(tokens[1:], rules, NOW) == ends_at
    assert next_change(tokens, rules, ends_at, LI) == NEVER


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
    st.sampled_from([(), ("base_user_read",), ("base_user_read", "lingma_chat_read")]),
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
        "forbidden_permissions": optional(permissions=st.just(("lingma.*",))),
        "max_tokens_per_user": optional(limit=st.integers(min_value=0, max_value=3)),
        "max_age": optional(limit=LENGTH),
        "name_pattern": optional(pattern=st.just("t[01]")),
        "expired_not_removed": optional(after=LENGTH),
    }
).map(lambda given: Policies.model_validate({key: value for key, value in given.items() if value is not None}))


@given(st.lists(TOKENS, max_size=5).map(tuple), RULES, SECONDS, st.lists(st.integers(0, 300), max_size=20))
def test_no_violation_changes_before_the_next_change(
    tokens: tuple[Token, ...], rules: Policies, start: int, later: list[int]
) -> None:
    now = NOW + start
    found = violations(LI, tokens, rules, now)
    until = next_change(tokens, rules, now, LI)
    assert until >= next_change(tokens, rules, now)
    assert until > now
    for moment in [now + seconds for seconds in later] + [until - 0.001]:
        if now <= moment < until and moment < NEVER:
            assert violations(LI, tokens, rules, moment) == found
