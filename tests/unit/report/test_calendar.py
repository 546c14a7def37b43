from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from support.builders import DAY, HOUR, NOW, a_key, a_token

from exporter.model.snapshot import View
from exporter.model.token import NEVER, Token
from exporter.model.user import Owner, User
from exporter.report.calendar import calendar
from exporter.report.listing import rows
from exporter.state.ledger import Ledger

EVIL = "<img src=x onerror=alert(1)>;,\\\nBEGIN:VEVENT"


def made(*tokens: Token, user: User = User("1", "li.wei")) -> Calendar:  # noqa: B008 - a frozen value
    ledger = Ledger("acme", [user])
    ledger.succeeded(user.user_id, tokens, NOW, (a_key("501", expires_in=HOUR),))
    return Calendar.from_ical(calendar(rows(View((ledger.view(),)), NOW), NOW))


def test_each_token_that_will_expire_is_an_event_at_that_time() -> None:
    tokens = [a_token("old", expires_in=-DAY), a_token("never", expires_in=NEVER), a_token("odd", expires_in=None)]
    found = made(a_token("soon", expires_in=2 * DAY), *tokens)
    events = {str(one["SUMMARY"]): one for one in found.walk("VEVENT")}
    assert sorted(events) == ["SSH key laptop of li.wei expires", "Token ci of li.wei expires"]
    event = events["Token ci of li.wei expires"]
    assert event.decoded("DTSTART") == datetime(2026, 6, 3, tzinfo=UTC)
    assert event.decoded("DTSTAMP") == datetime(2026, 6, 1, tzinfo=UTC)
    (alarm,) = event.walk("VALARM")
    assert alarm.decoded("TRIGGER") == timedelta(days=-7)
    assert "Id: soon" in str(event["DESCRIPTION"])
    assert (str(found["VERSION"]), str(found["METHOD"])) == ("2.0", "PUBLISH")


def test_the_owner_is_named() -> None:
    user = User("1", "li.wei", owner=Owner("li@acme.com", "支付", None))
    event = made(a_token(), user=user).walk("VEVENT")[-1]
    assert "E-mail: li@acme.com\nDepartment: 支付" in str(event["DESCRIPTION"])


def test_an_event_keeps_its_id_when_the_token_is_renewed() -> None:
    before, after = (made(a_token("pt-1", expires_in=days * DAY)).walk("VEVENT")[-1] for days in (2, 90))
    assert before["UID"] == after["UID"]
    assert before["DTSTART"] != after["DTSTART"]


def test_tokens_with_the_same_masked_id_have_different_events() -> None:
    twins = made(a_token("pt-****", expires_in=DAY), a_token("pt-****", expires_in=2 * DAY)).walk("VEVENT")
    assert len({str(event["UID"]) for event in twins}) == 3


def test_a_name_cannot_add_an_event_or_a_property() -> None:
    found = made(replace(a_token(), name=EVIL, description=EVIL))
    assert len(found.walk("VEVENT")) == 2
    assert str(found.walk("VEVENT")[-1]["SUMMARY"]) == f"Token {EVIL.replace(chr(10), chr(0xFFFD))} of li.wei expires"


@given(st.text(max_size=30))
def test_any_name_can_be_read_back(name: str) -> None:
    assert len(made(replace(a_token(), name=name)).walk("VEVENT")) == 2
