"""What the storage keeps of an alert, so that a restart goes on with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert that is firing, or that was resolved a short time ago.

    Attributes:
        labels: names and values in the order of the names; they identify the alert.
        annotations: names and values as Alertmanager was last sent them.
        starts_at: epoch seconds.
        ends_at: epoch seconds at which it was resolved; None while it is firing.
    """

    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    starts_at: float
    ends_at: float | None = None
