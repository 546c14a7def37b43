"""The number of violations of each policy and the worst offenders, whatever changes."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_state, a_token

from exporter.alerts.offences import WORST, Offence, PolicySummary, Tally, offences_of
from exporter.model.severity import Severity
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.policies.builtin import MaxAge, MaxTokensPerUser, NeverExpires
from exporter.policies.evaluate import violations
from exporter.policies.schema import Policies


def an_offence(user_id: str, amount: int, since: float | None = NOW, policy: Any = MaxAge) -> Offence:
    return Offence(policy, Severity.WARNING, user_id, f"name of {user_id}", amount, -amount, str(amount), since)


def test_the_offences_of_a_user_are_counted_by_policy() -> None:
    state = a_state(
        a_token("pt-1", expires_in=NEVER, age=3 * DAY),
        a_token("pt-2", expires_in=NEVER, age=DAY),
        a_token("pt-3", expires_in=DAY, age=5 * DAY),
        user=User("3001", "li.wei"),
    )
    policies = Policies.model_validate(
        {"max_age": {"limit": "2d"}, "never_expires": "forbid", "max_tokens_per_user": {"limit": 1, "severity": "info"}}
    )
    found = violations(state.user, state.tokens, policies, NOW)
    assert list(offences_of(state.user, found, state, policies, NOW)) == [
        Offence(NeverExpires, Severity.WARNING, "3001", "li.wei", 2, -2, "2", NOW - 3 * DAY),
        # two days after the creation of the oldest one
        Offence(MaxAge, Severity.WARNING, "3001", "li.wei", 2, -2, "2", NOW - 3 * DAY),
        # three tokens count
        Offence(MaxTokensPerUser, Severity.INFO, "3001", "li.wei", 1, -3, "3", None),
    ]


def test_the_users_with_most_violations_are_named() -> None:
    tally = Tally()
    for number in range(8):
        tally.replace((), (an_offence(f"u{number}", 1 + number % 4, NOW - number),))
    (summary,) = tally.summaries()
    assert (summary.violations, summary.users, summary.since) == (20, 8, NOW - 7)
    worst = [("name of u3", "4"), ("name of u7", "4"), ("name of u2", "3"), ("name of u6", "3"), ("name of u1", "2")]
    assert list(summary.worst) == worst
    # the oldest and one of the worst has removed the tokens
    tally.replace((an_offence("u7", 4, NOW - 7),), ())
    (summary,) = tally.summaries()
    assert (summary.violations, summary.users, summary.since) == (16, 7, NOW - 6)
    assert [name for name, _ in summary.worst] == [f"name of u{number}" for number in (3, 2, 6, 1, 5)]


def test_a_policy_without_violations_has_no_summary() -> None:
    tally = Tally()
    assert list(tally.summaries()) == []
    one = (an_offence("u1", 2),)
    tally.replace((), one)
    tally.replace(one, one)
    tally.replace(one, ())
    assert list(tally.summaries()) == []


POLICIES: tuple[Any, ...] = (MaxAge, NeverExpires, MaxTokensPerUser, None)
OFFENCES = st.dictionaries(
    st.sampled_from(POLICIES),
    st.tuples(st.integers(1, 4), st.none() | st.sampled_from([NOW, NOW - DAY])),
)


@given(st.lists(st.tuples(st.integers(0, 9), OFFENCES), max_size=60))
def test_after_any_changes_the_summaries_are_those_of_all_offences(history: list[tuple[int, dict[Any, Any]]]) -> None:
    tally = Tally()
    known: dict[str, tuple[Offence, ...]] = {}
    for number, some in history:
        user_id = f"u{number}"
        after = tuple(an_offence(user_id, amount, since, policy) for policy, (amount, since) in some.items())
        tally.replace(known.get(user_id, ()), after)
        known[user_id] = after
        everything = [one for offences in known.values() for one in offences]
        expected = set()
        violated_policies: set[Any] = {one.policy for one in everything}
        for policy in violated_policies:
            mine = sorted((one for one in everything if one.policy is policy), key=lambda one: (one.rank, one.user_id))
            since = min((one.since for one in mine if one.since is not None), default=None)
            worst = tuple((one.user, one.shown) for one in mine[:WORST])
            violated = sum(one.violations for one in mine)
            expected.add(PolicySummary(policy, Severity.WARNING, violated, len(mine), worst, since))
        assert set(tally.summaries()) == expected


def test_a_change_of_one_of_many_users_costs_little() -> None:
    tally = Tally()
    offences = [(an_offence(f"u{number:06}", 1 + number % 50),) for number in range(50_000)]
    for one in offences:
        tally.replace((), one)
    list(tally.summaries())
    started = time.perf_counter()
    for one in offences[:1000]:
        if one[0].rank > -40:
            tally.replace(one, ())
            list(tally.summaries())
    # finding the worst of 50,000 takes 10 ms each time
    assert time.perf_counter() - started < 1
