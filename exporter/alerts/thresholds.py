"""After how long something counts as wrong: worked out from the configuration, the same for daemon and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.schema import Poll

WARNING_SHARE = 3
"""A warning comes in the last third of a token's life at the earliest."""
CRITICAL_SHARE = 10
"""A critical alert comes in the last tenth of a token's life at the earliest."""
WIDENED_FOR = 3600.0
"""Seconds for which an alert tells of a token that was granted more."""
_DISCOVER_INTERVAL = 3600.0
GAP = "10m"
"""How far back rules look for a series, so that missed scrapes and a restarting exporter go unnoticed."""


def failing_after(poll: Poll) -> float:
    """Seconds of failing polls that are worth an alert: two sweeps, so that one failure alone is not."""
    return 2 * poll.interval


def stale_after(poll: Poll) -> float:
    """Seconds from which a user's data is stale: as configured, but not before two polls in a row have failed.

    A user is polled at any moment of a sweep, so that two failures may pass three intervals without data.
    """
    return max(poll.stale_after, stalled_after(poll))


def undiscovered_after(intervals: Iterable[float]) -> float:
    """Seconds without a list of users that are worth an alert: three of the longest of the looks' intervals."""
    return 3 * max(intervals, default=_DISCOVER_INTERVAL)


def stalled_after(poll: Poll) -> float:
    """Seconds without a completed sweep that are worth an alert: two whole sweeps may be late, the third may not."""
    return 3 * poll.interval + poll.timeout
