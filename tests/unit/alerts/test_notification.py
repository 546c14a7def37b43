"""What a notification contains, and until when it may be sent."""

from __future__ import annotations

import re

from support.alert_oracle import due
from support.builders import NOW

from exporter.alerts.alert import Alert
from exporter.alerts.notification import Moment, Notification
from exporter.alerts.tracker import Tracker

RESEND = 60.0
LABELS = (("alertname", "A"), ("organization", "acme"), ("user_id", "3001"))


def an_alert() -> Alert:
    return Alert(LABELS, (("description", "expires in 5m"),), NOW - 100)


def at(seconds: float, step: float = 0.0) -> Moment:
    """A number of seconds after the start, with a step of the wall clock in between."""
    return Moment(NOW + seconds + step, 5000 + seconds)


def times(notification: Notification, moment: Moment, ahead: float = 0.0) -> tuple[object, object]:
    body = notification.as_json(moment, ahead)
    return body["startsAt"], body["endsAt"]


def test_times_are_rfc_3339_with_a_zone_and_labels_are_text() -> None:
    (notification,) = due(Tracker(), [an_alert()], at(0), RESEND)
    body = notification.as_json(at(0))
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
    assert notification.as_json(at(0))["generatorURL"] == "https://x/users/acme/3001"
    (without,) = due(Tracker(), [an_alert()], at(0), RESEND)
    assert "generatorURL" not in without.as_json(at(0))
