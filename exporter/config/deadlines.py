"""How long something may last before it counts as a failure: times that follow from the configured intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from exporter.model.token import NEVER

if TYPE_CHECKING:
    from exporter.config.schema import Poll
    from exporter.model.snapshot import Outage


def failing_after(poll: Poll) -> float:
    """Seconds of failing polls after which an alert fires: two sweeps, so that a single failure raises none."""
    return 2 * poll.interval


def stale_after(poll: Poll) -> float:
    """Seconds after which a user's data is stale: as configured, but never before two polls in a row have failed.

    A user is polled at any time during a sweep, so two failures can leave three intervals without data.
    """
    return max(poll.stale_after, stalled_after(poll))


def stalled_after(poll: Poll) -> float:
    """Seconds without a completed sweep after which an alert fires: three intervals and the time of one request."""
    return 3 * poll.interval + poll.timeout


def polls_silent_until(outage: Outage | None, poll: Poll, now: float) -> float:
    """Until when no failing poll and no stale data of a single user causes an alert, in epoch seconds.

    While no user of the organization can be polled, one alert says so. After that, each user is polled once more before
    its failures count: as long as failures take to cause an alert.

    Args:
        outage: the organization's outage, the present or the last one.
        poll: how often users are polled.
        now: epoch seconds.
    """
    if outage is None:
        return -math.inf
    patience = failing_after(poll)
    if not outage.counts(patience, now if outage.ended_at is None else outage.ended_at):
        return -math.inf
    return NEVER if outage.ended_at is None else outage.ended_at + patience
