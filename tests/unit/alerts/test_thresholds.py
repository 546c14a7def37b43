from __future__ import annotations

from exporter.alerts.thresholds import undiscovered_after


def test_discovery_fails_after_three_of_the_longest_interval() -> None:
    assert undiscovered_after([600.0, 7200.0, 1800.0]) == 21_600.0
    assert undiscovered_after([]) == 10_800.0
