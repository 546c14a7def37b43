"""What is posted to Alertmanager."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.builders import NOW, ManualClock, a_watchdog

from exporter.alerts.notification import Notification
from exporter.alerts.receivers.alertmanager import AlertmanagerReceiver
from exporter.alerts.receivers.http import HttpTarget, JsonPoster
from exporter.common.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies that were posted; Alertmanager's clock is ten minutes ahead."""
    found: list[Any] = []

    def post(
        _: JsonPoster, path: str, body: Callable[[], bytes], on_headers: Callable[[Mapping[str, str]], None]
    ) -> None:
        assert path == "/api/v2/alerts"
        found.append(json.loads(body()))
        on_headers({"Date": "Mon, 01 Jun 2026 00:10:00 GMT"})

    monkeypatch.setattr(JsonPoster, "post", post)
    return found


def test_a_batch_is_one_array(posts: list[Any]) -> None:
    clock = ManualClock()
    receiver = AlertmanagerReceiver(HttpTarget("http://alertmanager", 10.0), a_watchdog(clock), clock, Redactor())
    until = clock.monotonic() + 240
    batch = [Notification((("alertname", name),), (("summary", name),), NOW - 60, until) for name in "AB"]
    receiver.send(batch)
    receiver.send(batch[:1])
    begun = {"startsAt": "2026-05-31T23:59:00.000Z"}
    first = {"labels": {"alertname": "A"}, "annotations": {"summary": "A"}} | begun
    second = {"labels": {"alertname": "B"}, "annotations": {"summary": "B"}} | begun
    ends = {"endsAt": "2026-06-01T00:04:00.000Z"}
    assert posts == [[first | ends, second | ends], [first | {"endsAt": "2026-06-01T00:14:00.000Z"}]]
