"""The queue of a sender: bounded, in order, one notification for each alert."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.alerts.notification import Notification
from exporter.alerts.outbox import Outbox


def a_notification(name: str, version: int = 0) -> Notification:
    return Notification((("alertname", name),), (("version", str(version)),), NOW, 9e9)


def a_member(name: str, unit: int, *, ended: bool = False) -> Notification:
    return Notification((("alertname", name),), (), NOW, 9e9, NOW if ended else None, unit)


def names(notifications: list[Notification]) -> list[str]:
    return [notification.labels[0][1] for notification in notifications]


def test_notifications_leave_first_in_first_out() -> None:
    outbox = Outbox()
    outbox.put([a_notification("a"), a_notification("b")])
    outbox.put([a_notification("c")])
    assert (names(outbox.take(2)), names(outbox.take(9)), len(outbox)) == (["a", "b"], ["c"], 0)


def test_a_newer_notification_replaces_the_queued_one_in_place() -> None:
    outbox = Outbox()
    outbox.put([a_notification("a", 1), a_notification("b", 1)])
    outbox.put([a_notification("a", 2)])
    assert outbox.take(9) == [a_notification("a", 2), a_notification("b", 1)]


def test_returned_notifications_come_first_unless_a_newer_one_is_queued() -> None:
    outbox = Outbox()
    outbox.put([a_notification("a", 1), a_notification("b", 1), a_notification("c", 1)])
    batch = outbox.take(2)
    outbox.put([a_notification("d", 1), a_notification("b", 2)])
    outbox.put_back(batch)
    assert outbox.take(9) == [
        a_notification("a", 1),
        a_notification("b", 2),
        a_notification("c", 1),
        a_notification("d", 1),
    ]


def test_notifications_returned_to_the_back_keep_their_order() -> None:
    outbox = Outbox()
    outbox.put([a_notification("a", 1), a_notification("b", 1), a_notification("c", 1)])
    batch = outbox.take(2)
    outbox.put([a_notification("b", 2)])
    outbox.put_back(batch, behind=True)
    assert outbox.take(9) == [a_notification("c", 1), a_notification("a", 1), a_notification("b", 2)]


def test_a_full_queue_drops_the_most_recently_delivered_alerts_then_the_newest() -> None:
    outbox = Outbox(capacity=2)
    outbox.delivered([a_notification("a"), a_notification("b")])
    # b was delivered last, a before it, c and d never
    assert outbox.put([a_notification("a"), a_notification("b"), a_notification("c"), a_notification("d")]) == 2
    assert names(outbox.take(9)) == ["c", "d"]
    assert outbox.put([a_notification("c"), a_notification("d"), a_notification("e")]) == 1
    assert names(outbox.take(9)) == ["c", "d"]
    taken = [a_notification("f"), a_notification("g")]
    outbox.put([a_notification("h"), a_notification("i")])
    assert outbox.put_back(taken) == 2
    assert names(outbox.take(9)) == ["f", "g"]


def test_an_alert_that_was_delivered_twice_counts_by_the_last_time() -> None:
    outbox = Outbox(capacity=1)
    for name in "aba":
        outbox.delivered([a_notification(name)])
    assert outbox.put([a_notification("a"), a_notification("b")]) == 1
    assert names(outbox.take(9)) == ["b"]


def test_deliveries_are_forgotten_after_twice_the_capacity() -> None:
    outbox = Outbox(capacity=2)
    outbox.delivered([a_notification("a")])
    for name in "bcd":
        outbox.delivered([a_notification(name)])
    # a is the fourth from the end, so it is dropped before x, which was never delivered
    assert outbox.put([a_notification("a"), a_notification("x"), a_notification("y")]) == 1
    assert names(outbox.take(9)) == ["x", "y"]
    outbox.delivered([a_notification("e")])
    assert outbox.put([a_notification("a"), a_notification("x"), a_notification("y")]) == 1
    assert names(outbox.take(9)) == ["a", "x"]


def test_ten_thousand_deliveries_need_no_more_memory_than_the_first_thousand() -> None:
    def deliver(batches: int) -> int:
        for number in range(batches):
            outbox.delivered([a_notification(f"{number}-{member}") for member in range(10)])
        return tracemalloc.get_traced_memory()[0]

    outbox = Outbox(capacity=500)
    tracemalloc.start()
    try:
        first = deliver(100)
        assert deliver(1_000) < 1.5 * first
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.lists(st.sampled_from("abcdefgh"), max_size=6, unique=True)),
            st.tuples(st.just("deliver"), st.integers(1, 4)),
            st.tuples(st.just("fail"), st.integers(1, 4)),
            st.tuples(st.just("rotate"), st.integers(1, 4)),
        ),
        max_size=40,
    ),
    st.integers(1, 6),
)
def test_the_queue_is_bounded_and_never_sends_an_older_notification_after_a_newer_one(
    history: list[tuple[str, list[str] | int]], capacity: int
) -> None:
    outbox = Outbox(capacity)
    made, put, dropped, delivered, replaced = 0, 0, 0, 0, 0
    arrived: dict[str, int] = {}
    for action, argument in history:
        if isinstance(argument, list):
            made += 1
            waiting = len(outbox)
            dropped_now = outbox.put([a_notification(name, made) for name in argument])
            put += len(argument)
            dropped += dropped_now
            replaced += waiting + len(argument) - dropped_now - len(outbox)
        else:
            batch = outbox.take(argument)
            if action == "deliver":
                outbox.delivered(batch)
                delivered += len(batch)
                for notification in batch:
                    version = int(notification.annotations[0][1])
                    assert version > arrived.get(notification.labels[0][1], 0)
                    arrived[notification.labels[0][1]] = version
            else:
                dropped += outbox.put_back(batch, behind=action == "rotate")
        assert len(outbox) <= capacity
    assert put == delivered + dropped + replaced + len(outbox)


def test_the_room_is_what_can_be_added_without_dropping_anything() -> None:
    outbox = Outbox(2)
    assert outbox.room == 2
    outbox.put([a_notification("a"), a_notification("b"), a_notification("c")])
    assert outbox.room == 0
    outbox.take(1)
    assert outbox.room == 1


def test_the_end_of_an_alert_goes_with_the_one_that_fires_now_if_they_change_twice_while_queued() -> None:
    outbox = Outbox()
    outbox.put([a_notification("x"), a_member("warning", 1), a_notification("y")])
    outbox.put([a_member("critical", 2), a_member("warning", 2, ended=True)])
    outbox.put([a_notification("z"), a_member("expired", 3), a_member("critical", 3, ended=True)])
    assert names(outbox.take(3, whole=True)) == ["x", "y"]
    assert names(outbox.take(3, whole=True)) == ["expired", "warning", "critical"]
    assert names(outbox.take(3)) == ["z"]


def test_the_same_if_the_first_change_is_in_flight() -> None:
    outbox = Outbox()
    outbox.put([a_member("critical", 1), a_member("warning", 1, ended=True), a_notification("x")])
    batch = outbox.take(2, whole=True)
    outbox.put([a_member("expired", 2), a_member("critical", 2, ended=True)])
    outbox.put_back(batch)
    assert names(outbox.take(3, whole=True)) == ["expired", "critical", "warning"]


def test_an_alert_that_is_sent_again_stays_with_what_it_replaces() -> None:
    for in_flight in (False, True):
        outbox = Outbox()
        outbox.put([a_member("critical", 1), a_member("warning", 1, ended=True), a_notification("x")])
        batch = outbox.take(2) if in_flight else []
        outbox.put([a_notification("y"), a_notification("critical")])
        outbox.put_back(batch)
        assert names(outbox.take(1, whole=False)) == ["critical"]
        outbox.put_back([a_member("critical", 1)])
        assert names(outbox.take(2, whole=True)) == ["critical", "warning"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12), st.integers(8, 14))
def test_all_about_one_token_leaves_in_one_batch_however_often_it_changes(
    steps: list[tuple[int, bool]], count: int
) -> None:
    outbox, version, unit = Outbox(), [0] * 4, 0
    batch: list[Notification] = []
    outbox.put([a_notification(f"other{position}") for position in range(5)])
    for token, attempted in steps:
        # At most three changes, so that what is about a token fits into a batch.
        if version[token] < 3:
            version[token], unit = version[token] + 1, unit + 1
            outbox.put([
                a_member(f"{token}-{version[token]}", unit), a_member(f"{token}-{version[token] - 1}", unit, ended=True)
            ])  # fmt: skip
        if attempted:
            outbox.put_back(batch)
            batch = outbox.take(count, whole=True)
    outbox.put_back(batch)
    batches = []
    while len(outbox):
        batches.append(names(outbox.take(count, whole=True)))
    for token, last in enumerate(version):
        about = [[name for name in each if name.startswith(f"{token}-")] for each in batches]
        assert [sorted(each) for each in about if each] == [[f"{token}-{number}" for number in range(last + 1)]] * (
            last > 0
        )
