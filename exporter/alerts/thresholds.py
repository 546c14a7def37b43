"""When alerts fire: thresholds that follow from the configuration, the same for the daemon and the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.deadlines import failing_after, polls_silent_until, stale_after, stalled_after

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = (
    "WIDENED_FOR",
    "failing_after",
    "polls_silent_until",
    "stale_after",
    "stalled_after",
    "undiscovered_after",
)

WIDENED_FOR = 3600.0
"""Seconds during which an alert fires after a token was granted more permissions."""
_DISCOVER_INTERVAL = 3600.0


def undiscovered_after(intervals: Iterable[float]) -> float:
    """Seconds without a list of users after which an alert fires: three times the longest discovery interval."""
    return 3 * max(intervals, default=_DISCOVER_INTERVAL)
