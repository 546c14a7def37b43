"""The JSON of events and the limit of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.builders import NOW, ManualClock
from support.web import CountedRefusals

from exporter.model.event import Change, Event
from exporter.web.api import EventList, invalid_limit


def an_event(token: str, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "time": NOW, "organization": "acme", "user_id": "1", "user": "li.wei", "change": Change.DELETED,
        "token_id": "pt-1", "token": token,
    }  # fmt: skip
    return Event(**values | changes)


def test_events_are_encoded_once_and_failing_ones_left_out() -> None:
    clock = ManualClock()
    refusals = CountedRefusals(clock)
    events = [an_event("third"), an_event("\ud83d"), an_event("first")]
    found = EventList(lambda: tuple(events), refusals)
    encoded = found.encoded()
    assert found.encoded() is encoded
    assert [one["token"] for one in json.loads(encoded.newest(None))] == ["third", "first"]
    assert [one["token"] for one in json.loads(encoded.newest("001"))] == ["third"]
    assert encoded.newest("0") == b"[]"
    assert len(json.loads(encoded.newest("9" * 4000))) == 2
    events.insert(0, an_event("fourth"))
    assert [one["token"] for one in json.loads(found.encoded().newest("2"))] == ["fourth", "third"]
    assert refusals.internal_errors == {"render": 1}


@pytest.mark.parametrize(
    ("limit", "invalid"), [("1", False), ("007", False), ("-1", True), ("", True), ("\u0663", True)]
)
def test_a_limit_is_a_whole_number(limit: str, invalid: bool) -> None:  # noqa: FBT001
    assert invalid_limit(limit) is invalid
