from __future__ import annotations

from support.builders import NOW

from exporter.model.event import Change, Event
from exporter.report.event_records import event_record


def test_an_event_has_the_details_of_its_kind_only() -> None:
    event = Event(NOW, "acme", "1", "li", Change.PERMISSIONS_WIDENED, "pt-1", "ci", added=("code_read",))
    assert event_record(event) == {
        "time": "2026-06-01T00:00:00.000Z",
        "organization": "acme",
        "event": "permissions_widened",
        "user_id": "1",
        "user": "li",
        "token_id": "pt-1",
        "token": "ci",
        "kind": "token",
        "added": ["code_read"],
    }
