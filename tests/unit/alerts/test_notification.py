"""What a notification contains, and until when it may be sent."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.alert_oracle import due
from support.builders import NOW

from exporter.alerts.alert import Alert
from exporter.alerts.notification import Moment, Notification
from exporter.alerts.tracker import Tracker

if TYPE_CHECKING:
    from exporter.alerts.alert import Labels

RESEND = 60.0
LABELS = (("alertname", "A"), ("organization", "acme"), ("user_id", "3001"))


def an_alert() -> Alert:
    return Alert(LABELS, (("description", "expires in 5m"),), NOW - 100)


def at(seconds: float, step: float = 0.0) -> Moment:
    """A number of seconds after the start, with a step of the wall clock in between."""
    return Moment(NOW + seconds + step, 5000 + seconds)


def times(notification: Notification, moment: Moment, ahead: float = 0.0) -> tuple[object, object]:
    body = json.loads(notification.as_json(moment, ahead))
    return body["startsAt"], body["endsAt"]


def test_times_are_rfc_3339_with_a_zone_and_labels_are_text() -> None:
    (notification,) = due(Tracker(), [an_alert()], at(0), RESEND)
    body = json.loads(notification.as_json(at(0)))
    assert body["startsAt"] == "2026-05-31T23:58:20.000Z"
    assert body["endsAt"] == "2026-06-01T00:04:00.000Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(body["startsAt"]))
    assert body["labels"] == {"alertname": "A", "organization": "acme", "user_id": "3001"}


def test_a_notification_ends_with_the_rest_of_its_lease() -> None:
    (notification,) = due(Tracker(), [an_alert()], at(0), RESEND)
    # three minutes in the queue, and the clock is set back by an hour meanwhile: one minute is left
    assert times(notification, at(180, step=-3600))[1] == "2026-05-31T23:04:00.000Z"
    assert not notification.out_of_date(at(239.9, step=3600))
    assert notification.out_of_date(at(240, step=-3600))


def test_times_follow_the_clock_of_alertmanager_if_known() -> None:
    tracker = Tracker()
    (firing,) = due(tracker, [an_alert()], at(0), RESEND)
    # 10 minutes ahead: four minutes from now is in the past there
    assert times(firing, at(0), ahead=600)[1] == "2026-06-01T00:14:00.000Z"
    assert times(firing, at(0), ahead=-600)[1] == "2026-06-01T00:04:00.000Z"
    (resolved,) = due(tracker, [], at(15), RESEND)
    # 90 seconds behind: now is in the future there
    assert times(resolved, at(15), ahead=-90)[1] == "2026-05-31T23:58:45.000Z"
    assert times(resolved, at(15), ahead=90)[1] == "2026-06-01T00:00:15.000Z"


def test_the_page_about_the_token_or_user_is_the_source_of_the_alert() -> None:
    linked = Alert(LABELS, (("page_url", "https://x/users/acme/3001"),), NOW - 100)
    (notification,) = due(Tracker(), [linked], at(0), RESEND)
    assert json.loads(notification.as_json(at(0)))["generatorURL"] == "https://x/users/acme/3001"
    (without,) = due(Tracker(), [an_alert()], at(0), RESEND)
    assert "generatorURL" not in json.loads(without.as_json(at(0)))


texts = st.text()
"""Lone surrogates included."""
pairs = st.dictionaries(texts, texts, max_size=3).map(lambda found: tuple(sorted(found.items())))


@given(pairs, pairs)
def test_any_text_is_valid_json(labels: Labels, annotations: Labels) -> None:
    body = json.loads(Notification(labels, annotations, NOW, 5060.0).as_json(at(0)))
    assert body["labels"] == dict(labels)
    assert body["annotations"] == dict(annotations)
    assert (body["startsAt"], body["endsAt"]) == ("2026-06-01T00:00:00.000Z", "2026-06-01T00:01:00.000Z")


def test_text_is_written_in_utf_8() -> None:
    body = Notification((("user", "张三"),), (), NOW, 5060.0).as_json(at(0))
    assert '"labels":{"user":"张三"}'.encode() in body
    assert b"\\udcff" in Notification((("user", "\udcff"),), (), NOW, 5060.0).as_json(at(0))


def test_an_unchanged_alert_is_encoded_once() -> None:
    """All alerts that fire are sent again each minute."""
    tracker = Tracker()
    (first,) = due(tracker, [an_alert()], at(0), RESEND)
    first.as_json(at(0))
    (second,) = due(tracker, [an_alert()], at(60), RESEND)
    encoded = second.prepared.up_to_end(second.labels, second.annotations, int(NOW - 100) * 1000)
    assert encoded is first.prepared.up_to_end((), (), int(NOW - 100) * 1000)
    assert second.as_json(at(60)) == encoded + b',"endsAt":"2026-06-01T00:05:00.000Z"}'


def test_what_is_sent_follows_the_texts_and_a_clock_that_was_set_back() -> None:
    tracker = Tracker()
    (first,) = due(tracker, [an_alert()], at(0), RESEND)
    first.as_json(at(0))
    changed = Alert(LABELS, (("description", "expires in 4m"),), NOW - 100)
    (second,) = due(tracker, [changed], at(60), RESEND)
    assert json.loads(second.as_json(at(60)))["annotations"] == {"description": "expires in 4m"}
    assert json.loads(first.as_json(at(60)))["annotations"] == {"description": "expires in 5m"}
    # an hour back: the alert would begin in the future
    assert times(second, at(60, step=-3600)) == ("2026-05-31T23:01:00.000Z", "2026-05-31T23:05:00.000Z")
    assert times(second, at(60)) == ("2026-05-31T23:58:20.000Z", "2026-06-01T00:05:00.000Z")


def test_what_is_kept_of_alerts_does_not_grow_with_their_texts() -> None:
    """Of 200 alerts whose texts of 2 kB change ten times, one text each is kept."""
    tracker = Tracker()

    def send(version: int) -> None:
        words = (("description", f"{version}" * 2000),)
        alerts = [Alert((("alertname", "A"), ("user_id", f"{number}")), words, NOW) for number in range(200)]
        for one in due(tracker, alerts, at(60.0 * version), RESEND):
            one.as_json(at(60.0 * version))

    tracemalloc.start()
    try:
        send(1)
        first, _ = tracemalloc.get_traced_memory()
        for version in range(2, 10):
            send(version)
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert first > 200 * 2000
    assert last < first + 200 * 1000
