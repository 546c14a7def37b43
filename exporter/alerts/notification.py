"""An alert as it is sent to receivers, with the times that hold when it is sent.

Monotonic time decides what is out of date; wall-clock time is only shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING

from exporter.alerts.alert import PAGE_URL
from exporter.common.text import utc_exact

if TYPE_CHECKING:
    from exporter.alerts.alert import Labels
    from exporter.common.clock import Clock


@dataclass(frozen=True, slots=True)
class Moment:
    """One point in time on both clocks.

    Attributes:
        wall: epoch seconds.
        monotonic: seconds on the clock that never jumps.
    """

    wall: float
    monotonic: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """The current time."""
        return cls(clock.now(), clock.monotonic())


@dataclass(frozen=True, slots=True)
class Notification:
    """An alert as it is sent to receivers.

    Attributes:
        labels: the identity of the alert.
        annotations: the texts.
        starts_at: epoch seconds; the same for as long as the alert fires, unless the clock is set back before it.
        out_of_date_at: monotonic time from which it must not be sent any more: the end of the lease of a firing
            alert, the end of the time during which a resolved one is sent again.
        ends_at: epoch seconds at which the alert was resolved; None while it fires.
        unit: the same number for notifications to deliver together; 0 for one that stands alone.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    out_of_date_at: float
    ends_at: float | None = None
    unit: int = field(default=0, compare=False, repr=False)

    @property
    def firing(self) -> bool:
        """Whether the alert was firing when the notification was made."""
        return self.ends_at is None

    def out_of_date(self, at: Moment) -> bool:
        """Whether it is too old to be sent."""
        return self.out_of_date_at <= at.monotonic

    def as_json(self, at: Moment, ahead: float = 0.0) -> dict[str, object]:
        """The alert in the format of Alertmanager's API v2 (`postableAlert`), with the times that hold when it is sent.

        A firing alert ends when its lease does, by the clock that is ahead. A resolved one ends at or before now by
        both clocks: Alertmanager treats an alert that ends in the future as firing.

        Args:
            at: the time of sending.
            ahead: seconds by which Alertmanager's clock is ahead of this machine's; negative if it is behind.
        """
        if self.ends_at is None:
            starts = _milliseconds(min(self.starts_at, at.wall))
            ends = _milliseconds(at.wall + max(ahead, 0.0) + self.out_of_date_at - at.monotonic)
            ends = max(ends, starts + 1)
        else:
            ends = _milliseconds(min(self.ends_at, at.wall, at.wall + ahead))
            # Alertmanager refuses an alert that starts after its end.
            starts = min(_milliseconds(self.starts_at), ends - 1)
        annotations = dict(self.annotations)
        source = {"generatorURL": annotations[PAGE_URL]} if PAGE_URL in annotations else {}
        return {
            "labels": dict(self.labels),
            "annotations": annotations,
            "startsAt": utc_exact(starts / 1000),
            "endsAt": utc_exact(ends / 1000),
            **source,
        }


def _milliseconds(epoch: float) -> int:
    """Whole milliseconds, never later than the time itself."""
    return floor(epoch * 1000)
