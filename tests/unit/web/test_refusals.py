"""Counting and logging of refused clients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    import pytest


def test_each_refusal_is_counted_and_each_reason_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    refusals = CountedRefusals(clock)
    for _ in range(5):
        refusals.refused(Refusal.SLOW_READER, "192.0.2.1")
    refusals.refused(Refusal.SLOW_REQUEST, "192.0.2.1")
    assert refusals.seen == {Refusal.SLOW_READER: 5, Refusal.SLOW_REQUEST: 1}
    assert len(caplog.records) == 2
    clock.advance(61)
    refusals.refused(Refusal.SLOW_READER, "192.0.2.1")
    assert len(caplog.records) == 3


def test_uvicorn_s_messages_are_limited_and_those_about_refusals_dropped(caplog: pytest.LogCaptureFixture) -> None:
    refusals = CountedRefusals(ManualClock())
    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        for _ in range(3):
            refusals.logger.warning("Invalid HTTP request received.")
            refusals.logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_an_unexpected_exception_is_counted_at_its_place() -> None:
    refusals = CountedRefusals(ManualClock())
    refusals.crashed()
    assert refusals.internal_errors == {"web": 1}
