"""An alert as it is kept over a restart."""

from __future__ import annotations

from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert that fires, or one that has been resolved and that Alertmanager may not know of yet.

    Attributes:
        labels: the identity: names and values in the order of the names.
        annotations: the texts that were sent last.
        starts_at: epoch seconds.
        ends_at: epoch seconds of its end; None while it fires.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None = None
