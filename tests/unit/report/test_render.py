"""The report in every format, and the escaping of untrusted names."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from support.builders import DAY, NOW, a_key, a_token
from support.report import HOSTILE, a_summary, render, text_of

from exporter.model.snapshot import View
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.report.formats import Form, Language
from exporter.report.summary import summarize
from exporter.state.ledger import Ledger


class Page(HTMLParser):
    """Records open tags, the text, and everything that would load or run something."""

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


def test_the_page_is_self_contained_and_has_no_scripts() -> None:
    html = text_of(a_summary(failures=(f"acme: {HOSTILE}: timeout",)), Form.HTML)
    page = Page(html)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "use"}
    assert page.loads == []
    assert "url(" not in html
    assert "@import" not in html
    assert "<script>alert(1)</script>|`x`\ufffd\ufffd[31m\ufffd=1+1" in page.text
    assert "This report is incomplete" in page.text
    assert "\u202e" not in html
    assert "@media print" in html
    assert "prefers-color-scheme: dark" in html


def test_a_page_without_tokens() -> None:
    ledger = Ledger("acme", [])
    for form in Form:
        assert render(summarize(View((ledger.view(),)), Policies(), NOW), form)
    text = Page(text_of(summarize(View((ledger.view(),)), Policies(), NOW), Form.HTML)).text
    assert "No policies are configured." in text
    assert "incomplete" not in text


def test_a_page_lists_a_hundred_violations_and_counts_the_rest() -> None:
    ledger = Ledger("acme", [User("1", "x")])
    ledger.succeeded("1", tuple(a_token(f"pt-{number:03}", expires_in=NEVER) for number in range(103)), NOW)
    rules = Policies.model_validate({"never_expires": "forbid"})
    summary = summarize(View((ledger.view(),)), rules, NOW)
    assert "And 3 more" in text_of(summary, Form.HTML)
    assert "And 3 more" in text_of(summary, Form.MARKDOWN)
    assert text_of(summary, Form.CSV).count("violation,acme") == 103


def test_json_is_complete() -> None:
    data = json.loads(text_of(a_summary(failures=("acme: gone",)), Form.JSON))
    assert data["at"] == "2026-06-01T00:00:00Z"
    assert (data["users"], data["users_failing"], data["tokens"]) == (4, 1, 7)
    assert data["tokens_by_state"] == {"active": 4, "expired": 1, "never_expires": 1, "unknown": 1}
    assert data["violations_by_policy"][1] == {"policy": "forbidden_permissions", "severity": "critical", "count": 1}
    assert data["violations"][1] == {
        "organization": "acme",
        "user_id": "1",
        "user": "li.wei",
        "owner_email": None,
        "owner_username": None,
        "owner_department": None,
        "token_id": None,
        "token": None,
        "policy": "max_tokens_per_user",
        "severity": "warning",
        "description": None,
    }
    assert sum(data["expiring_by_week"]) + data["expiring_later"] == 4
    assert data["most_powerful"][0]["permissions"] == [
        "base_orgmember_read_write",
        "base_user_read",
        "lingma_chat_read",
    ]
    assert data["users_with_most_tokens"][1] == {
        "organization": "acme",
        "user_id": "2",
        "user": "张三",
        "owner_email": None,
        "owner_username": None,
        "owner_department": None,
        "tokens": 2,
        "unexpired": 1,
    }
    assert data["failures"] == ["acme: gone"]


def test_csv_has_one_value_per_line_and_no_formulas() -> None:
    records = list(csv.DictReader(io.StringIO(text_of(a_summary(), Form.CSV))))
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
def test_names_are_escaped_in_markdown(name: str) -> None:
    ledger = Ledger("acme", [User("1", name)])
    ledger.succeeded("1", (a_token(),), NOW)
    text = text_of(summarize(View((ledger.view(),)), Policies(), NOW), Form.MARKDOWN)
    *_, line = [line for line in text.splitlines() if line.startswith("| acme") and line.endswith("| 1 | 1 |")]
    shown = line.split(" | ", 1)[1].removesuffix(" | 1 | 1 |")
    for special in "|<>[]()*`_":
        assert shown.count(special) == shown.count("\\" + special), shown
    assert shown.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == name.replace("\n", "\ufffd")


def test_a_token_created_in_the_future_has_no_negative_age() -> None:
    ledger = Ledger("acme", [User("1", "x")])
    ledger.succeeded("1", (Token("pt-1", "ci", ("r",), NOW + DAY, NEVER),), NOW)
    assert "| 0s | never expires |" in text_of(summarize(View((ledger.view(),)), Policies(), NOW), Form.MARKDOWN)


def test_descriptions_are_in_every_format_and_escaped() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (replace(a_token("pt-1"), description="=a|b <b>\u202e"),), NOW)
    summary = summarize(View((ledger.view(),)), Policies(), NOW)
    assert '<br><span class="soft">=a|b &lt;b&gt;\ufffd</span>' in text_of(summary, Form.HTML)
    assert r"=a\|b \<b\>" in text_of(summary, Form.MARKDOWN)
    assert {one["description"] for one in json.loads(text_of(summary, Form.JSON))["oldest"]} == {"=a|b <b>\u202e"}
    described = {
        one["description"] for one in csv.DictReader(io.StringIO(text_of(summary, Form.CSV))) if one["token_id"]
    }
    assert described == {"'=a|b <b>\ufffd"}


def test_the_date_of_a_token_that_counts_as_never_expiring_is_in_the_json() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    # The century from 2026-06-01 has 24 leap days, since 2100 has none: 36,500 days are 24 days less.
    ledger.succeeded("1", (a_token("pt-1", expires_in=36_500 * DAY).within(3650 * DAY, NOW),), NOW)
    data = json.loads(text_of(summarize(View((ledger.view(),)), Policies(), NOW), Form.JSON))
    (token,) = data["oldest"]
    assert (token["state"], token["expires_at"]) == ("never_expires", None)
    assert token["listed_expires_at"] == "2126-05-08T00:00:00Z"


def test_ssh_keys_have_their_own_section_and_change_no_number_of_tokens() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (a_token("pt-1"),), NOW, tuple(a_key(f"{number}") for number in range(101)))
    summary = summarize(View((ledger.view(),)), Policies(), NOW)
    data = json.loads(text_of(summary, Form.JSON))
    assert (data["tokens"], sum(data["expiring_by_week"]), len(data["oldest"])) == (1, 1, 1)
    assert data["ssh_keys"][0] == {
        "organization": "acme",
        "user_id": "1",
        "user": "li.wei",
        "owner_email": None,
        "owner_username": None,
        "owner_department": None,
        "token_id": "0",
        "token": "laptop",
        "state": "active",
        "created_at": "2026-05-31T00:00:00Z",
        "expires_at": "2026-06-06T00:00:00Z",
        "listed_expires_at": None,
        "permissions": ["ALL"],
        "description": "SHA256:0f1e2d",
        "kind": "ssh_key",
        "last_used_at": "2026-05-31T23:00:00Z",
    }
    assert len(data["ssh_keys"]) == 101
    lines = [one for one in csv.DictReader(io.StringIO(text_of(summary, Form.CSV))) if one["section"] == "ssh_key"]
    assert [(one["name"], one["value"]) for one in lines[:3]] == [
        ("expires_at", "2026-06-06T00:00:00Z"),
        ("created_at", "2026-05-31T00:00:00Z"),
        ("last_used_at", "2026-05-31T23:00:00Z"),
    ]
    for form in (Form.HTML, Form.MARKDOWN):
        text = text_of(summary, form)
        assert "SSH keys" in text
        assert text.count("SHA256:0f1e2d") == 100
        assert "And 1 more" in text
    assert "SSH keys" not in text_of(summarize(View(()), Policies(), NOW), Form.HTML)


@pytest.mark.parametrize("form", [Form.MARKDOWN, Form.HTML])
def test_punctuation_after_chinese_words_is_chinese(form: Form) -> None:
    text = text_of(a_summary(), form, language=Language.ZH)
    assert re.findall(r"[\u4e00-\u9fff][,:;][^\n]{0,20}|：[ \n]", text) == []
    assert "处理办法：" in text
    assert form is Form.HTML or "截至 2026-06-01T00:00:00Z，由 yunxiao-token-exporter " in text
