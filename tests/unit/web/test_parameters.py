"""How queries become criteria, and what is refused."""

from __future__ import annotations

import contextlib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW

from exporter.model.severity import Severity
from exporter.model.state import Reason
from exporter.model.token import CredentialKind, TokenState
from exporter.state.criteria import Criteria, PollStatus, Span
from exporter.web import parameters
from exporter.web.parameters import ParameterError, criteria_of, limit_of, sort_of, values_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
SEVERITIES = {"never_expires": Severity.WARNING, "forbidden_permissions": Severity.CRITICAL}


def criteria(**values: str) -> Criteria:
    return criteria_of(values, NOW, SHANGHAI, SEVERITIES)


def test_every_criterion() -> None:
    assert criteria(
        q=" ci ", organization="acme", user="1", owner="li", department="ops", token_id="pt-1", state="expired",
        kind="token", permission="a_read", status="failing", reason="tls",
    ) == Criteria(
        text="ci", organization="acme", user="1", owner="li", department="ops", token_id="pt-1",
        state=TokenState.EXPIRED, kind=CredentialKind.TOKEN, permission="a_read", status=PollStatus.FAILING,
        reason=Reason.TLS,
    )  # fmt: skip


def test_a_day_is_a_day_in_the_time_zone_and_includes_the_whole_day() -> None:
    # NOW is 2026-06-01T00:00:00Z, which is 08:00 in Shanghai.
    found = criteria(expires_from="2026-06-01", expires_to="2026-06-01").expires
    assert found == Span(NOW - 8 * 3600, NOW + 16 * 3600)


@pytest.mark.parametrize(
    "text", ["2026-06-01T08:00:00+08:00", "2026-06-01T00:00:00Z", "2026-06-01T08:00:00", " 2026-06-01 08:00 "]
)
def test_a_time_is_exact(text: str) -> None:
    assert criteria(created_to=text).created == Span(end=NOW)


def test_a_time_span_from_now() -> None:
    assert criteria(expires_within="14d").expires == Span(NOW, NOW + 14 * DAY)
    both = criteria(expires_within="14d", expires_from="2026-05-01", expires_to="2026-06-02").expires
    assert both == Span(NOW, NOW + 40 * 3600)


def test_policies_by_name_and_severity() -> None:
    every = criteria(policy="any").policies
    assert every is not None
    assert {"never_expires", "max_age"} <= every
    assert criteria(policy="max_age").policies == frozenset({"max_age"})
    assert criteria(severity="critical").policies == frozenset({"forbidden_permissions"})
    assert criteria(policy="never_expires", severity="critical").policies == frozenset()
    assert criteria().policies is None


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"expires_from": "2026-02-30"}, "expires_from cannot be '2026-02-30'; write a day such as 2026-12-31"),
        ({"created_to": "soon"}, "created_to cannot be 'soon'"),
        ({"created_to": "9999-12-31"}, "created_to is out of range"),
        ({"expires_within": "two weeks"}, "expires_within cannot be 'two weeks'; write a duration such as 14d or 12h"),
    ],
)
def test_values_that_cannot_be_read(values: dict[str, str], problem: str) -> None:
    with pytest.raises(ParameterError, match=problem.replace("(", r"\(")):
        criteria(**values)


def test_empty_values_are_as_if_they_were_not_there() -> None:
    assert values_of([("q", ""), ("state", " "), ("user", "1")], parameters.TOKENS) == {"user": "1"}


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([("foo", "1")], "unknown parameter 'foo'; known are q, organization, user"),
        ([("q", "a"), ("q", "b")], "q occurs twice; give it once"),
        ([("state", "dead")], "state cannot be 'dead'; it is one of active, expired, never_expires, unknown"),
        ([("sort", "-size")], "sort cannot be '-size'"),
        ([("limit", "-1")], "limit must be a whole number, such as limit=20"),
        ([("limit", "\u0664")], "limit must be a whole number"),
        ([("q", "x" * 201)], "q is longer than 200 characters"),
        ([("x" * 500, "")], "unknown parameter 'x{50}…'"),
    ],
)
def test_queries_that_are_refused(pairs: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        values_of(pairs, parameters.TOKENS)


def test_limits() -> None:
    assert [limit_of({}), limit_of({"limit": "0020"}), limit_of({"limit": "1000"})] == [None, 20, 1000]
    for text in ("0", "1001", "9" * 5000):
        with pytest.raises(ParameterError, match="limit must be between 1 and 1000"):
            limit_of({"limit": text})


def test_sorts() -> None:
    assert [sort_of({}, "expires"), sort_of({"sort": "-user"}, "expires")] == [("expires", False), ("user", True)]


LISTS = (parameters.TOKENS, parameters.USERS, parameters.VIOLATIONS, parameters.EVENTS, parameters.CALENDAR)


@given(st.sampled_from(LISTS), st.lists(st.tuples(st.text(max_size=20), st.text(max_size=30)), max_size=3))
def test_no_query_does_anything_but_be_read_or_refused(
    known: tuple[parameters.Parameter, ...], pairs: list[tuple[str, str]]
) -> None:
    with contextlib.suppress(ParameterError):
        criteria_of(values_of(pairs, known), NOW, SHANGHAI, SEVERITIES)


@given(st.sampled_from([one.name for one in parameters.TOKENS]), st.text(max_size=40))
def test_no_value_does_anything_but_be_read_or_refused(name: str, text: str) -> None:
    with contextlib.suppress(ParameterError):
        values = values_of([(name, text)], parameters.TOKENS)
        limit_of(values)
        criteria_of(values, NOW, SHANGHAI, SEVERITIES)
