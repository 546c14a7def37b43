"""What the report says, and that names of strangers stay text in every form of it."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, a_failure, a_token

from exporter.model.severity import Severity
from exporter.model.snapshot import View
from exporter.model.token import NEVER, Token, TokenState
from exporter.model.user import User
from exporter.policies.builtin import ForbiddenPermissions, MaxAge, MaxTokensPerUser, NeverExpires
from exporter.policies.schema import Policies
from exporter.report.charts import WIDTH, policies_chart, states_chart, weeks_chart
from exporter.report.formats import Form
from exporter.report.render import render
from exporter.report.summary import WEEKS, PolicyCount, Summary, summarize
from exporter.state.ledger import Ledger

WEEK = 7 * DAY
POLICIES = Policies.model_validate(
    {
        "never_expires": {"severity": "info"},
        "forbidden_permissions": {"permissions": ("admin",)},
        "max_tokens_per_user": {"limit": 3},
        "max_age": {"limit": "10y"},
    }
)
HOSTILE = "<script>alert(1)</script>|`x`\n\x1b[31m\u202e=1+1"


def a_view() -> View:
    acme = Ledger("acme", [User("1", "li.wei"), User("2", "张三"), User("3", "gone")])
    acme.succeeded(
        "1",
        (
            a_token("pt-a", expires_in=1, age=9 * DAY),
            a_token("pt-b", expires_in=WEEK, age=300 * DAY),
            a_token("pt-c", expires_in=26 * WEEK - 1, age=None),
            a_token("pt-d", expires_in=26 * WEEK, age=HOUR, permissions=("admin", "read", "write")),
        ),
        NOW,
    )
    acme.succeeded("2", (a_token("pt-e", expires_in=-DAY, age=900 * DAY), a_token("pt-f", expires_in=NEVER)), NOW)
    acme.failed("3", a_failure(), NOW)
    globex = Ledger("globex", [User("9", "=cmd")])
    globex.succeeded("9", (a_token("pt-g", expires_in=None, name=HOSTILE, permissions=()),), NOW)
    return View((acme.view(), globex.view()))


def a_summary(**changes: Any) -> Summary:
    return summarize(a_view(), changes.get("policies", POLICIES), NOW, changes.get("failures", ()))


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


def test_weeks_are_the_whole_weeks_that_tokens_have_left() -> None:
    summary = a_summary()
    assert {week: count for week, count in enumerate(summary.weeks) if count} == {0: 1, 1: 1, 25: 1}
    assert (len(summary.weeks), summary.later) == (26, 1)


def test_every_configured_policy_is_counted_and_the_urgent_come_first() -> None:
    summary = a_summary()
    assert summary.policies == (
        PolicyCount(NeverExpires, Severity.INFO, 1),
        PolicyCount(ForbiddenPermissions, Severity.CRITICAL, 1),
        PolicyCount(MaxTokensPerUser, Severity.WARNING, 1),
        PolicyCount(MaxAge, Severity.WARNING, 0),
    )
    assert [(one.severity.value, None if one.token is None else one.token.token_id) for one in summary.broken] == [
        ("critical", "pt-d"),
        ("warning", None),
        ("info", "pt-f"),
    ]


def test_oldest_most_powerful_and_richest_leave_out_what_has_expired() -> None:
    summary = a_summary()
    assert [one.token.token_id for one in summary.oldest] == ["pt-b", "pt-a", "pt-f", "pt-g", "pt-d"]
    # pt-d grants three permissions, the others one each; of these the oldest first, one of unknown age last
    assert [one.token.token_id for one in summary.powerful] == ["pt-d", "pt-b", "pt-a", "pt-f", "pt-c"]
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


class Page(HTMLParser):
    """The tags that are open, the text, and whatever would load or run something."""

    VOID = frozenset({"meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [pair for pair in attrs if pair[0] in {"src", "href", "xlink:href"} or pair[0].startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_by_itself_and_runs_nothing() -> None:
    html = render(a_summary(failures=(f"acme: {HOSTILE}: timeout",)), Form.HTML)
    page = Page(html)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "use"}
    assert page.loads == []
    assert "url(" not in html
    assert "@import" not in html
    assert "<script>alert(1)</script>|`x`\ufffd\ufffd[31m\ufffd=1+1" in page.text
    assert "This report is not complete" in page.text
    assert "\u202e" not in html
    assert "@media print" in html
    assert "prefers-color-scheme: dark" in html


def test_a_page_about_nothing() -> None:
    ledger = Ledger("acme", [])
    for form in Form:
        assert render(summarize(View((ledger.view(),)), Policies(), NOW), form)
    text = Page(render(summarize(View((ledger.view(),)), Policies(), NOW), Form.HTML)).text
    assert "No policies are configured." in text
    assert "not complete" not in text


def test_a_page_names_a_hundred_violations_and_counts_the_rest() -> None:
    ledger = Ledger("acme", [User("1", "x")])
    ledger.succeeded("1", tuple(a_token(f"pt-{number:03}", expires_in=NEVER) for number in range(103)), NOW)
    rules = Policies.model_validate({"never_expires": "forbid"})
    summary = summarize(View((ledger.view(),)), rules, NOW)
    assert "And 3 more" in render(summary, Form.HTML)
    assert "And 3 more" in render(summary, Form.MARKDOWN)
    assert render(summary, Form.CSV).count("violation,acme") == 103


def test_json_has_it_all() -> None:
    data = json.loads(render(a_summary(failures=("acme: gone",)), Form.JSON))
    assert data["at"] == "2026-06-01T00:00:00Z"
    assert (data["users"], data["users_failing"], data["tokens"]) == (4, 1, 7)
    assert data["tokens_by_state"] == {"active": 4, "expired": 1, "never_expires": 1, "unknown": 1}
    assert data["violations_by_policy"][1] == {"policy": "forbidden_permissions", "severity": "critical", "count": 1}
    assert data["violations"][1] == {
        "organization": "acme",
        "user_id": "1",
        "user": "li.wei",
        "token_id": None,
        "token": None,
        "policy": "max_tokens_per_user",
        "severity": "warning",
    }
    assert sum(data["expiring_by_week"]) + data["expiring_later"] == 4
    assert data["most_powerful"][0]["permissions"] == ["admin", "read", "write"]
    assert data["users_with_most_tokens"][1] == {
        "organization": "acme",
        "user_id": "2",
        "user": "张三",
        "tokens": 2,
        "unexpired": 1,
    }
    assert data["failures"] == ["acme: gone"]


def test_csv_is_one_fact_a_line_and_no_formula() -> None:
    records = list(csv.DictReader(io.StringIO(render(a_summary(), Form.CSV))))
    facts = {(one["section"], one["organization"], one["token_id"], one["name"]): one["value"] for one in records}
    assert facts["tokens_by_state", "acme", "", "active"] == "4"
    assert facts["violations_by_policy", "", "", "max_age"] == "0"
    assert facts["violation", "acme", "pt-d", "forbidden_permissions"] == "critical"
    assert facts["expiring_by_week", "", "", "25"] == "1"
    assert facts["expiring_by_week", "", "", "later"] == "1"
    assert facts["oldest", "acme", "pt-b", "created_at"] == "2025-08-05T00:00:00Z"  # 300 days before
    assert facts["most_powerful", "acme", "pt-d", "permissions"] == "3"
    assert {one["user"] for one in records if one["user_id"] == "9"} == {"'=cmd"}


@pytest.mark.parametrize("name", ["a|b", "<b>", "[x](http://evil)", "*x*", "a\nb", "`c`", "_x_", "\\"])
def test_names_stay_text_in_markdown(name: str) -> None:
    ledger = Ledger("acme", [User("1", name)])
    ledger.succeeded("1", (a_token(),), NOW)
    text = render(summarize(View((ledger.view(),)), Policies(), NOW), Form.MARKDOWN)
    (line,) = [line for line in text.splitlines() if line.startswith("| acme") and line.endswith("| 1 | 1 |")]
    shown = line.split(" | ", 1)[1].removesuffix(" | 1 | 1 |")
    for special in "|<>[]()*`_":
        assert shown.count(special) == shown.count("\\" + special), shown
    assert shown.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == name.replace("\n", "\ufffd")


def test_bars_fill_their_drawings_and_never_leave_them() -> None:
    summary = a_summary()
    states = states_chart(summary.total.states)
    assert sum(bar.width for bar in states.bars) == pytest.approx(WIDTH, abs=0.5)
    # four of seven tokens are active
    assert states.bars[0].width == pytest.approx(WIDTH * 4 / 7, abs=0.1)
    for chart in (states, policies_chart(summary.policies), weeks_chart(summary)):
        for bar in chart.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= chart.width + 0.1
            assert 0 <= bar.y <= bar.y + bar.height <= chart.height
    weeks = weeks_chart(summary)
    assert len(weeks.bars) == WEEKS
    assert [bar.label for bar in weeks.bars if bar.label][:2] == ["01 Jun", "29 Jun"]
    assert weeks.bars[1].title == "seven days from 08 Jun: 1"


def test_a_token_created_in_the_future_has_no_negative_age() -> None:
    ledger = Ledger("acme", [User("1", "x")])
    ledger.succeeded("1", (Token("pt-1", "ci", ("r",), NOW + DAY, NEVER),), NOW)
    assert "| 0s | never expires |" in render(summarize(View((ledger.view(),)), Policies(), NOW), Form.MARKDOWN)
