"""Turns of threads at the interpreter lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.common.turns import give_way

if TYPE_CHECKING:
    import pytest


def test_giving_way_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    give_way()
    assert slept == [0]
