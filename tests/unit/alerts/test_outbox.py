"""The queue of a sender: bounded, in order, one notification for each alert."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.alerts.notification import Notification
from exporter.alerts.outbox import Outbox


def a_notification(name: str, version: int = 0) -> Notification:
    return Notification((("alertname", name),), (("version", str(version)),), NOW, 9e9)


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
