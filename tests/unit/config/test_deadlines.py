from __future__ import annotations

import pytest

from exporter.config.deadlines import failing_after, polls_silent_until, stale_after, stalled_after
from exporter.config.schema import Poll
from exporter.model.snapshot import Outage
from exporter.model.state import Reason
from exporter.model.token import NEVER


def a_poll(interval: str, timeout: str = "10s", stale: str = "1h") -> Poll:
    return Poll.model_validate({"interval": interval, "timeout": timeout, "stale_after": stale})


def test_two_sweeps_may_fail_and_two_may_be_late() -> None:
    poll = a_poll("5m")
    assert failing_after(poll) == 600.0
    assert stalled_after(poll) == 910.0  # 3 * 300 + 10


@pytest.mark.parametrize(("interval", "seconds"), [("5m", 3600.0), ("20m", 3610.0), ("1h", 10_810.0)])
def test_data_is_stale_as_configured_but_not_before_the_third_sweep(interval: str, seconds: float) -> None:
    assert stale_after(a_poll(interval)) == seconds


def test_alerts_about_single_users_wait_for_two_sweeps_after_an_outage_that_counted() -> None:
    poll, outage = a_poll("5m"), Outage(1000.0, Reason.TIMEOUT, "x", confirmed=False)
    assert polls_silent_until(None, poll, 1000.0) == -NEVER
    # It counts after 600 seconds.
    assert polls_silent_until(outage, poll, 1599.0) == -NEVER
    assert polls_silent_until(outage, poll, 1600.0) == NEVER
    short, long = (Outage(1000.0, Reason.TIMEOUT, "x", confirmed=False, ended_at=at) for at in (1599.0, 2000.0))
    assert polls_silent_until(short, poll, 3000.0) == -NEVER
    assert polls_silent_until(long, poll, 3000.0) == 2600.0
    # A confirmed refusal counts from its first moment, which is later than its end if the clock was set back.
    set_back = Outage(1000.0, Reason.UNAUTHORIZED, "x", confirmed=True, ended_at=900.0)
    assert polls_silent_until(set_back, poll, 3000.0) == 1500.0
