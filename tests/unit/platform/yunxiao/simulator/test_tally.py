from __future__ import annotations

from exporter.platform.yunxiao.simulator.tally import Tally


def test_requests_are_counted_by_subject_and_second() -> None:
    tally = Tally()
    for subject, second in (("u1", 10), ("u1", 10), ("/platform/users", 11)):
        with tally.request(subject, second):
            pass
    assert (tally.requests(), tally.requests("u1"), tally.requests("u2")) == (3, 2, 0)
    assert (tally.busiest_second(), tally.most_at_once(), tally.overlaps()) == (2, 1, 0)


def test_requests_in_flight_together_are_seen() -> None:
    tally = Tally()
    with tally.request("u1", 10) as first, tally.request("u2", 10) as second, tally.request("u1", 11) as third:
        assert (first, second, third) == (1, 2, 1)
    assert (tally.most_at_once(), tally.overlaps()) == (3, 1)


def test_an_empty_tally_has_zeros() -> None:
    tally = Tally()
    assert (tally.requests(), tally.busiest_second(), tally.most_at_once(), tally.overlaps()) == (0, 0, 0, 0)


def test_only_the_last_seconds_are_kept_and_the_busiest_is_remembered() -> None:
    tally = Tally()
    for second in (0, 0, 0, *range(1, 1000)):
        with tally.request("u1", second):
            pass
    assert (tally.busiest_second(), tally.requests()) == (3, 1002)
    assert len(tally._seconds) <= 10
