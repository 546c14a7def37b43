from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_key, a_token

from exporter.model.event import Change, Event
from exporter.model.snapshot import View
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER
from exporter.model.user import Owner, User
from exporter.report.api_records import EventRecord, InvalidAnswerError, parse_events, parse_view
from exporter.report.event_records import event_record
from exporter.report.listing import records, rows
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from exporter.model.token import Token


def a_view(*tokens: Token) -> View:
    ledger = Ledger("acme", [User("1", "li.wei", owner=Owner("li@acme.com", "支付", "li"))])
    ledger.succeeded("1", tokens, NOW, (a_key("501"),))
    other = Ledger("globex", [User("1", "an")])
    other.succeeded("1", (a_token("pt-9"),), NOW)
    return View((ledger.view(), other.view()))


def test_a_list_that_was_read_back_is_the_same() -> None:
    view = a_view(
        a_token("soon", expires_in=DAY),
        a_token("old", expires_in=-DAY),
        a_token("never", expires_in=NEVER),
        a_token("odd", expires_in=None, age=None),
        a_token("far", expires_in=36_500 * DAY).within(3650 * DAY, NOW),
    )
    listed = records(rows(view, NOW), NOW)
    found = parse_view(json.dumps(listed).encode(), None, NOW)
    assert records(rows(found, NOW), NOW) == listed
    assert [(one.name, len(one.users)) for one in found.organizations] == [("acme", 1), ("globex", 1)]


@given(st.integers(-(10**9), 10**12), st.text(max_size=9))
def test_any_token_can_be_read_back(expires_in: float, name: str) -> None:
    listed = records(rows(a_view(a_token(name, expires_in=expires_in)), NOW), NOW)
    found = records(rows(parse_view(json.dumps(listed).encode(), None, NOW), NOW), NOW)
    assert [one["state"] for one in found] == [one["state"] for one in listed]


def test_keys_of_later_releases_are_ignored_and_those_of_earlier_ones_may_be_missing() -> None:
    (record,) = records(rows(a_view(), NOW), NOW)[-1:]
    del record["owner_email"], record["owner_department"], record["listed_expires_at"]
    assert parse_view(json.dumps([record | {"colour": "red"}]).encode(), None, NOW).organizations


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"<html>", b"[1]", b'[{"organization": 1}]', b"\xff", b'[{"state": "red"}]']
)
def test_any_other_answer_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidAnswerError, match="list of tokens"):
        parse_view(content, None, NOW)
    if content != b"{}":
        with pytest.raises(InvalidAnswerError, match="list of events"):
            parse_events(content)


def test_a_date_that_is_none_is_refused() -> None:
    (record,) = records(rows(a_view(), NOW), NOW)[-1:]
    with pytest.raises(InvalidAnswerError):
        parse_view(json.dumps([record | {"created_at": "yesterday"}]).encode(), None, NOW)


def test_events_are_read_back() -> None:
    event = Event(NOW, "acme", "1", "li", Change.RENEWED, "pt-1", "ci", old_expiry=NOW, new_expiry=NEVER)
    (found,) = parse_events(json.dumps([event_record(event)]).encode())
    assert found == EventRecord(
        "2026-06-01T00:00:00.000Z",
        "acme",
        "renewed",
        "1",
        "li",
        "pt-1",
        "ci",
        "token",
        old_expiry="2026-06-01T00:00:00Z",
        new_expiry="never",
    )


def test_users_without_tokens_and_failures_come_from_the_list_of_users() -> None:
    listed = json.dumps(records(rows(a_view(a_token("pt-1")), NOW), NOW)).encode()
    users = [
        {"organization": "acme", "user_id": "1", "user": "li.wei", "status": "ok", "tokens": {"active": 1}},
        {"organization": "acme", "user_id": "2", "user": "bo", "status": "ok", "owner_email": "bo@acme.com"},
        {"organization": "acme", "user_id": "3", "user": "cy", "status": "pending"},
        {"organization": "acme", "user_id": "4", "user": "di", "status": "failing", "reason": "timeout"},
    ]
    acme, _ = parse_view(listed, json.dumps(users).encode(), NOW).organizations
    assert [(one.user.name, len(one.tokens), one.polled, one.failure) for one in acme.users] == [
        ("li.wei", 1, True, None),
        ("bo", 0, True, None),
        ("cy", 0, False, None),
        ("di", 0, True, Failure(Reason.TIMEOUT, "")),
    ]
    assert acme.users[1].user.owner == Owner("bo@acme.com", None, None)
    with pytest.raises(InvalidAnswerError):
        parse_view(listed, b"{}", NOW)
