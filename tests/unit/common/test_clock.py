from __future__ import annotations

import time

from exporter.common.clock import SystemClock


def test_the_system_clock_shows_the_time_of_the_machine() -> None:
    before = time.time()
    assert before <= SystemClock().now() <= time.time()
    before = time.monotonic()
    assert before <= SystemClock().monotonic() <= time.monotonic()
