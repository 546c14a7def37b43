"""The end of one alert and the beginning of the next travel together, from the tracker to the receiver."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.alerts.alert import Alert, Evaluation, Labels
from exporter.alerts.handover import MOST
from exporter.alerts.notification import Moment, Notification
from exporter.alerts.outbox import Outbox
from exporter.alerts.tracker import Tracker

RESEND = 60.0


def at(seconds: float) -> Moment:
    return Moment(NOW + seconds, 5000 + seconds)


def labels_of(name: str, token: str, title: str = "ci") -> Labels:
    found = {"alertname": name, "organization": "acme", "token": title, "token_id": token, "user_id": "3001"}
    return tuple(sorted(found.items()))


def alert_of(name: str, token: str, title: str = "ci") -> Alert:
    return Alert(labels_of(name, token, title), (), NOW - 10)


def evaluated(tracker: Tracker, *alerts: Alert, seconds: float) -> None:
    tracker.update(Evaluation(alerts), at(seconds), RESEND)


def words(notifications: list[Notification]) -> list[str]:
    names = [(dict(one.labels), one.firing) for one in notifications]
    return [f"{one['alertname']} {one['token_id']}{'' if firing else ' ended'}" for one, firing in names]


def test_the_end_of_a_warning_follows_the_critical_alert_among_many_others() -> None:
    tracker = Tracker()
    tokens = [f"pt-{number:03}" for number in range(200)]
    evaluated(tracker, *(alert_of("Warning", token) for token in tokens), seconds=0)
    tracker.due(at(0), RESEND)
    # half of them become critical, half are renewed
    evaluated(tracker, *(alert_of("Critical", token) for token in tokens[::2]), seconds=15)
    due = tracker.due(at(15), RESEND)
    said = words(due)
    for token in tokens[::2]:
        place = said.index(f"Critical {token}")
        assert said[place + 1] == f"Warning {token} ended"
        assert due[place].unit == due[place + 1].unit != 0
    assert {one.unit for one in due if words([one])[0].endswith("1 ended")} == {0}
    # Later they are sent again each on its own.
    assert {one.unit for one in tracker.due(at(75), RESEND)} == {0}


def test_a_renamed_token_hands_over_too() -> None:
    tracker = Tracker()
    evaluated(tracker, alert_of("Warning", "pt-1"), seconds=0)
    tracker.due(at(0), RESEND)
    evaluated(tracker, alert_of("Warning", "pt-1", "deploy"), seconds=15)
    first, second = tracker.due(at(15), RESEND)
    assert (first.unit == second.unit != 0, first.firing, second.firing) == (True, True, False)


def test_what_waits_is_joined_by_what_follows() -> None:
    tracker = Tracker()
    for number, name in enumerate(("Warning", "Critical", "Expired")):
        evaluated(tracker, alert_of(name, "pt-1"), alert_of("Warning", "pt-2"), seconds=15 * number)
        assert tracker.due(at(15 * number), RESEND, 0) == []
    assert tracker.behind
    # There is no room for all three, so that none is sent yet.
    assert words(tracker.due(at(45), RESEND, 2)) == []
    said = words(tracker.due(at(46), RESEND, 4))
    assert said == ["Expired pt-1", "Critical pt-1 ended", "Warning pt-1 ended", "Warning pt-2"]


def test_a_unit_is_bounded() -> None:
    tracker = Tracker()
    evaluated(tracker, *(alert_of("Warning", "pt-1", f"name {number}") for number in range(50)), seconds=0)
    tracker.due(at(0), RESEND)
    evaluated(tracker, *(alert_of("Critical", "pt-1", f"name {number}") for number in range(50)), seconds=15)
    due = tracker.due(at(15), RESEND)
    assert len(due) == 100
    assert sum(one.unit != 0 for one in due) <= MOST


def a_notification(name: str, unit: int = 0) -> Notification:
    return Notification((("alertname", name),), (), NOW, 9e9, unit=unit)


def names(batch: list[Notification]) -> list[str]:
    return [dict(one.labels)["alertname"] for one in batch]


def test_a_batch_leaves_a_unit_to_the_next_one_rather_than_divide_it() -> None:
    outbox = Outbox()
    outbox.put([a_notification("a"), a_notification("b", 7), a_notification("c", 7), a_notification("d")])
    assert names(outbox.take(2, whole=True)) == ["a"]
    assert names(outbox.take(2, whole=True)) == ["b", "c"]
    outbox.put([a_notification("e", 8), a_notification("f", 8), a_notification("g", 8)])
    # larger than a batch, or a search for the one that is refused
    assert names(outbox.take(2, whole=True)) == ["d"]
    assert names(outbox.take(2, whole=True)) == ["e", "f"]
    assert names(outbox.take(1)) == ["g"]


def test_a_queued_notification_moves_to_the_rest_of_its_unit() -> None:
    outbox = Outbox()
    outbox.put([a_notification("warning"), a_notification("other")])
    outbox.put([a_notification("critical", 1), a_notification("warning", 1)])
    assert names(outbox.take(9)) == ["other", "critical", "warning"]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.integers(3, 8))
def test_no_batch_divides_a_unit(sizes: list[int], count: int) -> None:
    outbox = Outbox()
    put = [a_notification(f"{unit}-{place}", unit) for unit, size in enumerate(sizes, 1) for place in range(size)]
    outbox.put(put)
    taken = []
    while outbox:
        batch = outbox.take(count, whole=True)
        assert 0 < len(batch) <= count
        for unit, size in enumerate(sizes, 1):
            assert sum(one.unit == unit for one in batch) in {0, size}
        taken += batch
    assert taken == put
