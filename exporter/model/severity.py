"""The severity of alerts and policies."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How urgent a problem is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
