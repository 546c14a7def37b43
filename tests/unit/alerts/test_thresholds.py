"""The times after which alerts fire, with a poll interval of 15 minutes and a timeout of 10 seconds."""

from __future__ import annotations

from exporter.alerts.thresholds import failing_after, stale_after, stalled_after, undiscovered_after
from exporter.config.schema import Poll

POLL = Poll()


def test_a_user_fails_after_two_sweeps() -> None:
    assert (POLL.interval, POLL.timeout) == (900.0, 10.0)
    assert failing_after(POLL) == 1800.0


def test_sweeps_are_stalled_after_three_intervals_and_one_request() -> None:
    assert stalled_after(POLL) == 2710.0


def test_data_is_stale_as_configured_but_not_before_a_sweep_is_stalled() -> None:
    assert stale_after(POLL) == 3600.0
    assert stale_after(POLL.model_copy(update={"interval": 43200.0})) == 3 * 43200.0 + 10


def test_discovery_fails_after_three_of_the_longest_intervals() -> None:
    assert undiscovered_after([600.0, 7200.0]) == 21600.0
    assert undiscovered_after([]) == 10800.0
