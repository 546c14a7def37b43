"""How soon somebody should act."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look at what is wrong."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
