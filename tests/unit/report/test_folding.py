from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.model.severity import Severity
from exporter.model.user import User
from exporter.policies.builtin import POLICIES, MaxAge, NamePattern, NeverExpires
from exporter.report.folding import folded
from exporter.report.summary import PolicyCount, ReportedViolation

LI = User("1", "li")


def violations(policy: type, severity: Severity, count: int) -> list[ReportedViolation]:
    return [ReportedViolation("acme", LI, None, policy, severity)] * count


def counts(*each: int) -> list[tuple[str, int, int]]:
    policies = [PolicyCount(policy, Severity.WARNING, count) for policy, count in zip(POLICIES, each, strict=False)]
    every = [
        one
        for policy, count in zip(POLICIES, each, strict=False)
        for one in violations(policy, Severity.WARNING, count)
    ]
    return [(one.policy.policy.name, len(one.shown), one.more) for one in folded(policies, every)]


def test_every_policy_is_represented_however_many_violations_another_has() -> None:
    policies = [
        PolicyCount(NeverExpires, Severity.INFO, 2),
        PolicyCount(MaxAge, Severity.CRITICAL, 500),
        PolicyCount(NamePattern, Severity.WARNING, 40),
    ]
    # in the order of the report: the most severe first
    every = [
        *violations(MaxAge, Severity.CRITICAL, 500),
        *violations(NamePattern, Severity.WARNING, 40),
        *violations(NeverExpires, Severity.INFO, 2),
    ]
    found = folded(policies, every)
    # A third of 100 each; what `never_expires` does not need, goes to the most severe: 100 - 2 - 33 = 65.
    assert [(one.policy.policy, len(one.shown), one.more) for one in found] == [
        (MaxAge, 65, 435),
        (NamePattern, 33, 7),
        (NeverExpires, 2, 0),
    ]


def test_few_violations_are_all_shown_and_a_policy_without_any_is_left_out() -> None:
    assert counts(3, 0, 5) == [("max_lifetime", 3, 0), ("forbidden_permissions", 5, 0)]
    assert folded([], []) == ()


@given(st.lists(st.integers(0, 300), max_size=len(POLICIES)))
def test_the_lines_and_the_rest_are_all_violations(each: list[int]) -> None:
    found = counts(*each)
    assert sum(shown + more for _, shown, more in found) == sum(each)
    assert all(shown >= 1 and more >= 0 for _, shown, more in found)
    assert sum(shown for _, shown, _ in found) == min(100, sum(each))
