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


@dataclass(frozen=True, slots=True)
class KeptChanges:
    """What has changed of the alerts to keep.

    Attributes:
        alerts: the alerts that are new or have changed.
        dropped: the labels of alerts that need not be kept any more.
        complete: whether `alerts` are all alerts to keep, in place of those kept before.
    """

    alerts: tuple[KeptAlert, ...]
    dropped: tuple[Labels, ...] = ()
    complete: bool = False
