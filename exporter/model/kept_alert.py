"""An alert as it is stored over a restart."""

from __future__ import annotations

from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert that is firing, or a resolved one whose resolution may not have reached Alertmanager yet.

    Attributes:
        labels: names and values sorted by name; they identify the alert.
        annotations: the annotations that were sent last.
        starts_at: epoch seconds.
        ends_at: epoch seconds; None while it is firing.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None = None
