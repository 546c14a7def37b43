from __future__ import annotations

import pytest

from exporter.alerts.thresholds import failing_after, stale_after, stalled_after, undiscovered_after
from exporter.config.schema import Poll


def a_poll(interval: str, timeout: str = "10s", stale: str = "1h") -> Poll:
    return Poll.model_validate({"interval": interval, "timeout": timeout, "stale_after": stale})


def test_two_sweeps_may_fail_and_two_may_be_late() -> None:
    poll = a_poll("5m")
    assert failing_after(poll) == 600.0
    assert stalled_after(poll) == 910.0  # 3 * 300 + 10


@pytest.mark.parametrize(("interval", "seconds"), [("5m", 3600.0), ("20m", 3610.0), ("1h", 10_810.0)])
def test_data_is_stale_as_configured_but_not_before_the_third_sweep(interval: str, seconds: float) -> None:
    assert stale_after(a_poll(interval)) == seconds


def test_discovery_fails_after_three_of_the_longest_interval() -> None:
    assert undiscovered_after([600.0, 7200.0, 1800.0]) == 21_600.0
    assert undiscovered_after([]) == 10_800.0
