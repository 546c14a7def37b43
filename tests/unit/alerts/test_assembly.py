from __future__ import annotations

from typing import Any, cast

from support.builders import ManualClock

from exporter.alerts.pipeline import DirectAlerting
from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor
from exporter.state.store import Store


class Hanging:
    """A sender whose thread does not end, such as in a name look-up."""

    def __init__(self, clock: ManualClock, did: list[str]) -> None:
        self._clock = clock
        self._did = did

    def request_stop(self) -> None:
        self._did.append("asked")

    def stop(self, timeout: float) -> bool:
        self._did.append("waited")
        self._clock.advance(timeout)
        return False


def test_senders_that_hang_are_waited_for_together() -> None:
    clock, did = ManualClock(), list[str]()
    alerting = DirectAlerting(
        Store(),
        lambda: None,
        cast("Any", None),
        cast("Any", None),
        Stop(),
        clock,
        supervisor=Supervisor(lambda _: None, clock),
    )
    alerting._senders = cast("Any", {number: Hanging(clock, did) for number in range(5)})
    before = clock.monotonic()
    alerting.stop()
    assert did == ["asked"] * 5 + ["waited"] * 5
    assert clock.monotonic() - before == 1.0
