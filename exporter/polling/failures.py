"""Failures as polls and discovery record and log them."""

from __future__ import annotations

from typing import Protocol

from exporter.model.state import Failure, Reason

INTERNAL_FAILURE = Failure(Reason.INTERNAL, "internal error in the exporter; the log has the traceback")
"""A defect of the exporter, recorded as a failure."""


class DefectObserver(Protocol):
    """Counts defects."""

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        ...


def log_details(failure: Failure) -> dict[str, str]:
    """The details of a failure for a log line."""
    return {"reason": failure.reason.value, "detail": failure.message, "meaning": failure.reason.meaning}
