"""When notifications are due and what they contain: leases, resends, resolved alerts, clock steps."""

from __future__ import annotations

import json
from itertools import pairwise

from support.alert_oracle import due
from support.builders import NOW

from exporter.alerts.alert import ALL_USERS, Alert, Evaluation, Words
from exporter.alerts.definitions import TOKEN_EXPIRED
from exporter.alerts.notification import Moment, Notification
from exporter.alerts.tracker import Tracker, subject_of
from exporter.model.kept_alert import KeptAlert, KeptChanges

RESEND = 60.0
LEASE = 240.0
LABELS = (("alertname", "A"), ("organization", "acme"), ("user_id", "3001"))


def an_alert(since: float = NOW - 100, words: str = "expires in 5m") -> Alert:
    return Alert(LABELS, (("description", words),), since)


def at(seconds: float, step: float = 0.0) -> Moment:
    """A number of seconds after the start, with a step of the wall clock in between."""
    return Moment(NOW + seconds + step, 5000 + seconds)


def times(notification: Notification, moment: Moment, ahead: float = 0.0) -> tuple[object, object]:
    body = json.loads(notification.as_json(moment, ahead))
    return body["startsAt"], body["endsAt"]


def test_a_firing_alert_is_resent_within_its_lease_with_the_same_identity() -> None:
    tracker = Tracker()
    sent: list[tuple[float, Notification]] = []
    for second in range(0, 3600, 15):
        # the annotations change, and so might the start of the condition
        sent += [(second, one) for one in due(tracker, [an_alert(NOW - 100 + second, f"{second}")], at(second), RESEND)]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(sent)]
    assert set(gaps) == {60.0}
    assert {(notification.labels, notification.starts_at) for _, notification in sent} == {(LABELS, NOW - 100)}
    assert all(notification.out_of_date_at == 5000 + second + LEASE for second, notification in sent)


def test_alerts_that_sum_up_users_are_about_all_of_them() -> None:
    acme = {"organization": "acme"}
    assert subject_of(acme | {"alertname": "YunxiaoSweepStalled"}) == ("acme", None)
    assert subject_of(acme | {"alertname": "YunxiaoPolicyViolation", "policy": "max_age"}) == ("acme", ALL_USERS)
    assert subject_of(acme | {"alertname": "YunxiaoTokenNotRemoved"}) == ("acme", ALL_USERS)
    # With alerting.policy_violations: per_user, it is about one.
    assert subject_of(acme | {"alertname": "YunxiaoTokenNotRemoved", "user_id": "1"}) == ("acme", "1")


def test_a_resolved_alert_is_resent_for_fifteen_minutes() -> None:
    tracker = Tracker()
    due(tracker, [an_alert()], at(0), RESEND)
    sent = [(s, one) for s in range(15, 2000, 15) for one in due(tracker, [], at(s), RESEND)]
    assert [second for second, _ in sent] == list(range(15, 15 + 900, 60))
    assert {(one.starts_at, one.ends_at) for _, one in sent} == {(NOW - 100, NOW + 15)}
    assert not any(tracker.firing.values())
    assert tracker.kept == ()


def test_a_resolved_alert_is_resent_for_at_least_its_lease() -> None:
    tracker = Tracker()
    hour = 3600.0
    due(tracker, [an_alert()], at(0), hour)
    sent = [s for s in range(60, 20_000, 60) for _ in due(tracker, [], at(s), hour)]
    # resolved after a minute, then once an hour until four hours later
    assert sent == [60, 3660, 7260, 10_860]
    assert not any(tracker.firing.values())


def test_an_alert_that_fires_again_is_a_new_alert() -> None:
    tracker = Tracker()
    due(tracker, [an_alert()], at(0), RESEND)
    due(tracker, [], at(15), RESEND)
    (again,) = due(tracker, [an_alert()], at(30), RESEND)
    assert (again.starts_at, again.ends_at, again.out_of_date_at) == (NOW + 15, None, 5030 + LEASE)


def test_no_alert_starts_in_the_future_or_ends_before_it_starts() -> None:
    tracker = Tracker()
    (fired,) = due(tracker, [an_alert(since=NOW + 7 * 86400)], at(0), RESEND)
    assert fired.starts_at == NOW
    (resolved,) = due(tracker, [], at(0), RESEND)
    assert times(resolved, at(0)) == ("2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00.000Z")


def test_an_alert_has_the_same_start_after_a_restart() -> None:
    first, second = Tracker(), Tracker()
    (before,) = due(first, [an_alert()], at(0), RESEND)
    (after,) = due(second, [an_alert()], at(500), RESEND)
    assert (before.labels, before.starts_at) == (after.labels, after.starts_at)


def test_two_alerts_with_the_same_labels_are_one() -> None:
    assert len(due(Tracker(), [an_alert(), an_alert(words="other")], at(0), RESEND)) == 1


def test_no_end_is_in_the_future_after_the_clock_is_set_back_before_the_start() -> None:
    tracker = Tracker()
    due(tracker, [an_alert(since=NOW)], at(0), RESEND)
    (resolved,) = due(tracker, [], at(15, step=-3600), RESEND)
    assert times(resolved, at(15, step=-3600)) == ("2026-05-31T23:00:14.999Z", "2026-05-31T23:00:15.000Z")


def test_the_end_of_a_resolved_alert_moves_back_with_the_clock() -> None:
    tracker = Tracker()
    due(tracker, [an_alert()], at(0), RESEND)
    (waiting,) = due(tracker, [], at(15), RESEND)
    # the queued notification
    assert times(waiting, at(20, step=-3600))[1] == "2026-05-31T23:00:20.000Z"
    # the resent one: at once, and with that end from then on
    (again,) = due(tracker, [], at(30, step=-3600), RESEND)
    (later,) = due(tracker, [], at(90, step=-3600), RESEND)
    assert [times(one, at(90, step=-3600))[1] for one in (again, later)] == ["2026-05-31T23:00:30.000Z"] * 2


def test_a_firing_alert_never_starts_in_the_future_after_the_clock_is_set_back() -> None:
    tracker = Tracker()
    due(tracker, [an_alert(since=NOW)], at(0), RESEND)
    (again,) = due(tracker, [an_alert(since=NOW - 3570)], at(30, step=-3600), RESEND)
    (later,) = due(tracker, [an_alert(since=NOW - 3570)], at(90, step=-3600), RESEND)
    assert [again.starts_at, later.starts_at] == [NOW - 3570, NOW - 3570]


def test_a_clock_step_neither_delays_nor_prolongs_an_alert() -> None:
    for step in (-3600.0, 3600.0, 86400.0):
        tracker = Tracker()
        due(tracker, [an_alert()], at(0), RESEND)
        sent = [s for s in range(15, 300, 15) for _ in due(tracker, [an_alert()], at(s, step), RESEND)]
        # at once after the step, then every minute
        assert sent == [15, 75, 135, 195, 255]
        sent = [s for s in range(300, 2000, 15) for _ in due(tracker, [], at(s, -step), RESEND)]
        assert sent == list(range(300, 300 + 900, 60))


def test_an_alert_is_resent_after_the_interval_also_while_the_wall_clock_is_slow() -> None:
    tracker = Tracker()
    due(tracker, [an_alert()], at(0), RESEND)
    assert due(tracker, [an_alert()], at(0.5), RESEND) == []
    assert due(tracker, [an_alert()], at(59.9, step=-30), RESEND) == []
    assert len(due(tracker, [an_alert()], at(60, step=-30), RESEND)) == 1


def test_alerts_are_resent_at_once_after_the_machine_was_suspended() -> None:
    tracker = Tracker()
    due(tracker, [an_alert()], at(0), RESEND)
    # monotonic time stood still for a day
    assert len(due(tracker, [an_alert()], Moment(NOW + 86400, 5001), RESEND)) == 1


def test_alerts_that_cannot_be_evaluated_keep_firing() -> None:
    other = Alert((("alertname", "A"), ("organization", "acme"), ("user_id", "3002")), (), NOW)
    unknown = frozenset({("acme", "3001")})
    tracker = Tracker()
    due(tracker, [an_alert(words="as it was"), other], at(0), RESEND)
    sent = [one for s in range(15, 76, 15) for one in due(tracker, [], at(s), RESEND, unknown)]
    # one is renewed after a minute; the other is resolved, and resent after a minute
    assert [(one.labels[2][1], one.firing, one.annotations) for one in sent] == [
        ("3002", False, ()),
        ("3001", True, (("description", "as it was"),)),
        ("3002", False, ()),
    ]
    (resolved,) = due(tracker, [], at(90), RESEND)
    assert (resolved.labels, resolved.firing) == (LABELS, False)


def test_alerts_continue_after_a_restart_with_their_annotations() -> None:
    before = Tracker()
    due(before, [an_alert(), Alert((("alertname", "B"),), (("description", "b"),), NOW - 5)], at(0), RESEND)
    due(before, [an_alert()], at(15), RESEND)
    kept = before.kept
    assert kept == (
        KeptAlert(LABELS, (("description", "expires in 5m"),), NOW - 100),
        KeptAlert((("alertname", "B"),), (("description", "b"),), NOW - 5, NOW + 15),
    )
    after = Tracker()
    # monotonic time restarts
    after.restore(kept, Moment(NOW + 100, 7.0), RESEND)
    sent = due(after, [], Moment(NOW + 100, 7.0), RESEND)
    assert [(one.labels[0][1], one.starts_at, one.ends_at, one.annotations) for one in sent] == [
        ("A", NOW - 100, NOW + 100, (("description", "expires in 5m"),)),
        ("B", NOW - 5, NOW + 15, (("description", "b"),)),
    ]
    # B was resolved 85 s before the restart: 815 s are left of the quarter of an hour
    last = [s for s in range(15, 2000, 15) for one in due(after, [], Moment(NOW + 100 + s, 7.0 + s), RESEND)
            if one.labels[0][1] == "B"][-1]  # fmt: skip
    assert last == 780


def test_a_resolved_alert_that_is_out_of_date_is_not_restored() -> None:
    old, new = KeptAlert(LABELS, (), NOW - 2000, NOW - 900), KeptAlert((("alertname", "B"),), (), NOW, NOW - 899)
    tracker = Tracker()
    tracker.restore([old, new, KeptAlert((("alertname", "C"),), (), NOW - 9000, NOW - 8000)], at(0), RESEND)
    assert [one.labels for one in tracker.kept] == [new.labels]
    # resolved in the future: the clock was set back meanwhile
    tracker = Tracker()
    tracker.restore([KeptAlert(LABELS, (), NOW + 10, NOW + 3600)], at(0), RESEND)
    (notification,) = due(tracker, [], at(0), RESEND)
    assert times(notification, at(0)) == ("2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00.000Z")


def test_resolved_alerts_are_bounded_and_the_oldest_are_dropped_first() -> None:
    tracker = Tracker(resolved_capacity=2)
    every = [Alert((("alertname", str(number)),), (), NOW) for number in range(4)]
    due(tracker, every, at(0), RESEND)
    for second, left in enumerate(([3, 1, 0], [1, 0], [1], []), 1):
        due(tracker, [every[number] for number in left], at(second), RESEND)
    assert [one.labels[0][1] for one in tracker.kept] == ["0", "1"]


def alert_of(name: str, words: str = "x") -> Alert:
    return Alert((("alertname", name),), (("description", words),), NOW)


def sent_names(notifications: list[Notification]) -> list[str]:
    return [f"{one.labels[0][1]}{'' if one.firing else ' resolved'}" for one in notifications]


def test_what_there_is_no_room_for_stays_due_new_and_resolved_alerts_first() -> None:
    tracker = Tracker()
    tracker.update(Evaluation(tuple(alert_of(name) for name in "abcd")), at(0), RESEND)
    assert (sent_names(tracker.due(at(0), RESEND, 3)), tracker.behind) == (["a", "b", "c"], True)
    # d has not been sent yet, and e is new
    tracker.update(Evaluation(tuple(alert_of(name) for name in "abde")), at(60), RESEND)
    assert (sent_names(tracker.due(at(60), RESEND, 0)), tracker.behind) == ([], True)
    assert (sent_names(tracker.due(at(61), RESEND, 4)), tracker.behind) == (["d", "e", "c resolved", "a"], True)
    assert (sent_names(tracker.due(at(62), RESEND)), tracker.behind) == (["b"], False)
    # each a minute after it was sent
    assert sent_names(tracker.due(at(121), RESEND)) == ["d", "e", "c resolved", "a"]
    assert sent_names(tracker.due(at(122), RESEND)) == ["b"]


def test_a_difference_changes_only_the_alerts_in_it() -> None:
    tracker = Tracker()
    tracker.update(Evaluation((alert_of("a"), alert_of("b"), alert_of("c")), number=1), at(0), RESEND)
    assert (tracker.applied, len(tracker.due(at(0), RESEND))) == (1, 3)
    changes = Evaluation((alert_of("b", "y"), alert_of("d")), complete=False, ended=(alert_of("a").labels,), number=2)
    tracker.update(changes, at(15), RESEND)
    assert sent_names(tracker.due(at(15), RESEND)) == ["d", "a resolved"]
    assert (tracker.applied, dict(tracker.firing)) == (2, {"a": 0, "b": 1, "c": 1, "d": 1})
    # with the texts of the last evaluation
    assert [(one.labels[0][1], one.annotations[0][1]) for one in tracker.due(at(60), RESEND)] == [
        ("b", "y"),
        ("c", "x"),
    ]


def test_an_alert_that_is_forgotten_before_it_was_sent_is_not_sent() -> None:
    tracker = Tracker(resolved_capacity=1)
    tracker.update(Evaluation((alert_of("a"), alert_of("b"))), at(0), RESEND)
    tracker.update(Evaluation(()), at(15), RESEND)
    assert tracker.due(at(15), RESEND, 0) == []
    assert sent_names(tracker.due(at(16), RESEND)) == ["b resolved"]
    # and a resolved one not after its time
    assert tracker.due(at(15 + 900), RESEND) == []
    assert tracker.kept == ()


def test_a_tracker_that_lost_an_evaluation_needs_a_complete_one() -> None:
    tracker = Tracker()
    tracker.update(Evaluation((), number=7), at(0), RESEND)
    tracker.restore([KeptAlert(LABELS, (), NOW)], at(0), RESEND)
    assert tracker.applied is None


def test_alerts_that_start_and_end_all_the_time_leave_nothing_behind() -> None:
    tracker = Tracker()
    steady = [alert_of(str(number)) for number in range(100)]
    tracker.update(Evaluation(tuple(steady)), at(0), RESEND)
    tracker.due(at(0), RESEND)
    for second in range(1, 3000):
        fires = Evaluation((alert_of("z"),), complete=False)
        ends = Evaluation((), complete=False, ended=(alert_of("z").labels,))
        tracker.update(fires if second % 2 else ends, at(second), RESEND)
        # there is never room for what is due again
        tracker.due(at(second), RESEND, 1)
    assert sum(len(members) for _, _, members in tracker._batches) <= 2 * 101 + 1000


def test_texts_are_stored_again_unless_only_the_time_that_is_left_has_changed() -> None:
    tracker = Tracker()

    def stored(text: str, seconds: float) -> KeptChanges | None:
        alert = Alert(LABELS, (("description", text),), NOW - 100, Words(TOKEN_EXPIRED, len("expires "), NOW, NOW + 60))
        tracker.update(Evaluation((alert,)), at(seconds), RESEND)
        return tracker.kept_changes(at(seconds))

    assert stored("expires in 5m", 0) is not None
    assert stored("expires in 4m", 300) is None
    kept = KeptAlert(LABELS, (("description", "removed in 4m"),), NOW - 100)
    assert stored("removed in 4m", 600) == KeptChanges((kept,))


def test_a_longer_resend_interval_lets_no_lease_run_out() -> None:
    tracker = Tracker()
    tracker.update(Evaluation((an_alert(),)), at(0), RESEND)
    assert len(tracker.due(at(0), RESEND)) == 1
    # Its lease ends after 240 s, and the new interval would send it after 300 s.
    assert tracker.due(at(45), 5 * RESEND) == []
    assert len(tracker.due(at(60), 5 * RESEND)) == 1
    assert tracker.due(at(120), 5 * RESEND) == []
    assert len(tracker.due(at(360), 5 * RESEND)) == 1
