"""When alerts fire: thresholds that follow from the configuration, the same for the daemon and the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.schema import Poll

WARNING_SHARE = 3
"""A warning fires in the last third of a token's lifetime at the earliest."""
CRITICAL_SHARE = 10
"""A critical alert fires in the last tenth of a token's lifetime at the earliest."""
WIDENED_FOR = 3600.0
"""Seconds during which an alert fires after a token was granted more permissions."""
_DISCOVER_INTERVAL = 3600.0


def failing_after(poll: Poll) -> float:
    """Seconds of failing polls after which an alert fires: two sweeps, so that a single failure raises none."""
    return 2 * poll.interval


def stale_after(poll: Poll) -> float:
    """Seconds after which a user's data is stale: as configured, but never before two polls in a row have failed.

    A user is polled at any time during a sweep, so two failures can leave three intervals without data.
    """
    return max(poll.stale_after, stalled_after(poll))


def undiscovered_after(intervals: Iterable[float]) -> float:
    """Seconds without a list of users after which an alert fires: three times the longest discovery interval."""
    return 3 * max(intervals, default=_DISCOVER_INTERVAL)


def stalled_after(poll: Poll) -> float:
    """Seconds without a completed sweep after which an alert fires: three intervals and the time of one request."""
    return 3 * poll.interval + poll.timeout
