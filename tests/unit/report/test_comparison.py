from __future__ import annotations

import pytest
from support.builders import DAY, NOW, a_failure, a_token
from support.report import text_of

from exporter.model.snapshot import View
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.report.comparison import Comparison, InvalidReportError, compare, parse_report
from exporter.report.formats import Form
from exporter.report.summary import Summary, summarize
from exporter.state.ledger import Ledger

FORBIDDEN = {"never_expires": "forbid"}
FOREVER, OLD = a_token("pt-forever", expires_in=NEVER), a_token("pt-old", expires_in=-DAY)


def a_summary(policies: dict[str, object] | None = None, **tokens: tuple[Token, ...] | None) -> Summary:
    """The report about users with these tokens; None for one that could not be polled."""
    ledger = Ledger("acme", [User(name, name) for name in tokens])
    for name, listed in tokens.items():
        if listed is None:
            ledger.failed(name, a_failure(), NOW)
        else:
            ledger.succeeded(name, listed, NOW)
    rules = Policies.model_validate(FORBIDDEN if policies is None else policies)
    return summarize(View((ledger.view(),)), rules, NOW)


def compared(old: Summary, new: Summary) -> Comparison:
    return compare(parse_report(text_of(old, Form.JSON).encode()), new)


def findings(comparison: Comparison) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    fixed, new = ([(str(one.token_id), one.problem) for one in found] for found in (comparison.fixed, comparison.new))
    return fixed, new


def test_what_is_gone_was_fixed_and_what_has_come_is_new() -> None:
    found = compared(a_summary(li=(FOREVER,)), a_summary(li=(OLD,)))
    assert findings(found) == ([("pt-forever", "never_expires")], [("pt-old", "expired")])
    assert (found.since, found.unchanged, found.unknown) == ("2026-06-01T00:00:00Z", 0, 0)


def test_what_both_have_is_unchanged() -> None:
    found = compared(a_summary(li=(FOREVER, OLD)), a_summary(li=(FOREVER, OLD)))
    assert (findings(found), found.unchanged) == (([], []), 2)


def test_a_user_that_could_not_be_polled_has_fixed_nothing() -> None:
    found = compared(a_summary(li=(FOREVER,), bo=(OLD,)), a_summary(li=None, bo=(OLD,)))
    assert (findings(found), found.unchanged, found.unknown) == (([], []), 1, 1)
    found = compared(a_summary(li=None), a_summary(li=(FOREVER,)))
    assert (findings(found), found.unknown) == (([], []), 1)


def test_a_policy_that_is_configured_in_one_report_only_cannot_be_compared() -> None:
    found = compared(a_summary(li=(FOREVER,)), a_summary({}, li=(FOREVER,)))
    assert (findings(found), found.unknown) == (([], []), 1)


def test_a_user_who_has_left_has_no_findings_any_more() -> None:
    found = compared(a_summary(li=(FOREVER,), bo=()), a_summary(bo=()))
    assert findings(found) == ([("pt-forever", "never_expires")], [])


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b"<html>", b'{"at": 1, "violations": []}'])
def test_any_other_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidReportError, match="--output json"):
        parse_report(content)


def test_a_report_of_an_earlier_release_compares_its_violations() -> None:
    old = parse_report(
        b'\xef\xbb\xbf{"at": "2026-05-01T00:00:00Z", "organizations": [{"name": "acme", "users": 1}],'
        b' "violations_by_policy": [{"policy": "never_expires", "severity": "warning", "count": 0}], "violations": []}'
    )
    found = compare(old, a_summary(li=(FOREVER, OLD)))
    assert findings(found) == ([], [("pt-forever", "never_expires")])
    assert found.unknown == 1
