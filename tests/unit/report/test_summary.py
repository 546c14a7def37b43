"""The numbers and lists of the report."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, a_token
from support.report import a_summary

from exporter.model.severity import Severity
from exporter.model.snapshot import View
from exporter.model.token import NEVER, TokenState
from exporter.model.user import User
from exporter.policies.builtin import ForbiddenPermissions, MaxAge, MaxTokensPerUser, NeverExpires
from exporter.policies.schema import Policies
from exporter.report.summary import PolicyCount, summarize
from exporter.state.ledger import Ledger


def test_totals_by_state_of_all_and_of_each_organization() -> None:
    summary = a_summary()
    assert (summary.total.users, summary.total.failing, summary.total.tokens) == (4, 1, 7)
    assert summary.total.states == {
        TokenState.ACTIVE: 4,
        TokenState.EXPIRED: 1,
        TokenState.NEVER_EXPIRES: 1,
        TokenState.UNKNOWN: 1,
    }
    assert [(one.name, one.users, one.tokens) for one in summary.organizations] == [("acme", 3, 6), ("globex", 1, 1)]


def test_weeks_count_the_whole_weeks_left() -> None:
    summary = a_summary()
    assert {week: count for week, count in enumerate(summary.weeks) if count} == {0: 1, 1: 1, 25: 1}
    assert (len(summary.weeks), summary.later) == (26, 1)


def test_every_configured_policy_is_counted_and_severe_violations_come_first() -> None:
    summary = a_summary()
    assert summary.policies == (
        PolicyCount(NeverExpires, Severity.INFO, 1),
        PolicyCount(ForbiddenPermissions, Severity.CRITICAL, 1),
        PolicyCount(MaxTokensPerUser, Severity.WARNING, 1),
        PolicyCount(MaxAge, Severity.WARNING, 0),
    )
    assert [(one.severity.value, None if one.token is None else one.token.token_id) for one in summary.violations] == [
        ("critical", "pt-d"),
        ("warning", None),
        ("info", "pt-f"),
    ]


def test_top_lists_leave_out_expired_tokens() -> None:
    summary = a_summary()
    assert [one.token.token_id for one in summary.oldest] == ["pt-b", "pt-a", "pt-f", "pt-g", "pt-d"]
    # pt-d grants three permissions, the others one each; of these the oldest first, one of unknown age last
    assert [one.token.token_id for one in summary.most_permissions] == ["pt-d", "pt-b", "pt-a", "pt-f", "pt-c"]
    assert [(one.user.name, one.unexpired, one.tokens) for one in summary.owners] == [
        ("li.wei", 4, 4),
        ("张三", 1, 2),
        ("=cmd", 1, 1),
    ]


@given(st.lists(st.none() | st.just(NEVER) | st.floats(min_value=-1e7, max_value=1e9), max_size=12))
def test_every_active_token_is_in_one_week_or_later(lives: list[float | None]) -> None:
    ledger = Ledger("acme", [User("1", "x")])
    ledger.succeeded("1", tuple(a_token(f"{n}", expires_in=life) for n, life in enumerate(lives)), NOW)
    summary = summarize(View((ledger.view(),)), Policies(), NOW)
    assert sum(summary.weeks) + summary.later == summary.total.states[TokenState.ACTIVE]
    assert summary.total.tokens == len(lives)
