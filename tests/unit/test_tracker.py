"""What Alertmanager is told, and when: leases, re-sends, resolved alerts, identity."""

from __future__ import annotations

import re
from itertools import pairwise

from support.builders import NOW

from exporter.alerts.conditions import Alert
from exporter.alerts.tracker import Notice, Tracker

RESEND = 60.0
LABELS = (("alertname", "A"), ("token_id", "pt-1"))


def an_alert(since: float = NOW - 100, words: str = "expires in 5m") -> Alert:
    return Alert(LABELS, (("description", words),), since)


def test_a_firing_alert_is_sent_again_well_inside_its_lease_with_the_same_identity() -> None:
    tracker = Tracker()
    sent: list[tuple[float, Notice]] = []
    for second in range(0, 3600, 15):
        now = NOW + second
        # the words change, and so would the time of the cause if the state were less sure of it
        sent += [(now, one) for one in tracker.due([an_alert(NOW - 100 + second, f"{second}")], now, RESEND)]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(sent)]
    assert set(gaps) == {60.0}
    assert {(notice.labels, notice.starts_at) for _, notice in sent} == {(LABELS, NOW - 100)}
    assert all(notice.ends_at == at + 240 for at, notice in sent)


def test_an_alert_that_ends_is_sent_as_resolved_for_a_quarter_of_an_hour() -> None:
    tracker = Tracker()
    tracker.due([an_alert()], NOW, RESEND)
    sent = [(s, one) for s in range(15, 2000, 15) for one in tracker.due([], NOW + s, RESEND)]
    assert [second for second, _ in sent] == list(range(15, 15 + 900, 60))
    assert {(one.starts_at, one.ends_at) for _, one in sent} == {(NOW - 100, NOW + 15)}
    assert tracker.firing == []


def test_with_long_leases_a_resolved_alert_is_sent_for_as_long_as_the_lease() -> None:
    tracker = Tracker()
    hour = 3600.0
    tracker.due([an_alert()], NOW, hour)
    sent = [s for s in range(60, 20_000, 60) for _ in tracker.due([], NOW + s, hour)]
    # resolved after a minute, then once an hour until four hours later
    assert sent == [60, 3660, 7260, 10_860]
    assert tracker.firing == []


def test_an_alert_that_comes_back_is_a_new_one() -> None:
    tracker = Tracker()
    tracker.due([an_alert()], NOW, RESEND)
    tracker.due([], NOW + 15, RESEND)
    (again,) = tracker.due([an_alert()], NOW + 30, RESEND)
    assert (again.starts_at, again.ends_at) == (NOW + 15, NOW + 270)


def test_no_alert_starts_in_the_future_or_ends_before_it_starts() -> None:
    tracker = Tracker()
    (fired,) = tracker.due([an_alert(since=NOW + 7 * 86400)], NOW, RESEND)
    assert fired.starts_at == NOW
    (resolved,) = tracker.due([], NOW, RESEND)
    assert resolved.ends_at > resolved.starts_at


def test_after_a_restart_the_same_cause_gives_the_same_start() -> None:
    first, second = Tracker(), Tracker()
    (before,) = first.due([an_alert()], NOW, RESEND)
    (after,) = second.due([an_alert()], NOW + 500, RESEND)
    assert (before.labels, before.starts_at) == (after.labels, after.starts_at)


def test_two_alerts_with_the_same_labels_are_one() -> None:
    assert len(Tracker().due([an_alert(), an_alert(words="other")], NOW, RESEND)) == 1


def test_times_are_rfc_3339_with_a_zone_and_labels_are_text() -> None:
    (notice,) = Tracker().due([an_alert()], NOW, RESEND)
    body = notice.as_json()
    assert body["startsAt"] == "2026-05-31T23:58:20.000Z"
    assert body["endsAt"] == "2026-06-01T00:04:00.000Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(body["startsAt"]))
    assert body["labels"] == {"alertname": "A", "token_id": "pt-1"}
