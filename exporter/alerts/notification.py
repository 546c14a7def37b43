"""An alert as it is sent to receivers, with the times that hold when it is sent.

Monotonic time decides what is out of date; wall-clock time is only shown.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import msgspec

from exporter.alerts.alert import PAGE_URL
from exporter.common.text import utc_exact

if TYPE_CHECKING:
    from exporter.alerts.alert import Labels
    from exporter.common.clock import Clock

_TIMES = 64
"""Ends that are kept as text. The alerts of a batch that fire have one or a few."""


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


class Prepared:
    """An alert as JSON, up to its end: while it fires, nothing else differs between two notifications.

    All alerts that fire are sent again each minute, so each is encoded once, when it is first sent, and kept until its
    texts change. Senders may share it: at worst, two of them encode the same.
    """

    __slots__ = ("_encoded",)

    def __init__(self) -> None:
        self._encoded: tuple[int, bytes] | None = None

    def up_to_end(self, labels: Labels, annotations: Labels, starts: int) -> bytes:
        """The alert without its end.

        Args:
            labels: always the same.
            annotations: always the same.
            starts: milliseconds since the epoch; another value only after the clock was set.
        """
        known = self._encoded
        if known is None or known[0] != starts:
            known = self._encoded = starts, _up_to_end(labels, annotations, starts)
        return known[1]


class Notification(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An alert as it is sent to receivers. Ten thousand may be made and queued at once.

    Attributes:
        labels: the identity of the alert.
        annotations: the texts.
        starts_at: epoch seconds; the same for as long as the alert fires, unless the clock is set back before it.
        out_of_date_at: monotonic time from which it must not be sent any more: the end of the lease of a firing
            alert, the end of the time during which a resolved one is sent again.
        ends_at: epoch seconds at which the alert was resolved; None while it fires.
        unit: the same number for notifications to deliver together; 0 for one that stands alone.
        prepared: shared by the notifications of an alert with these labels and annotations.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    out_of_date_at: float
    ends_at: float | None = None
    unit: int = 0
    prepared: Prepared = msgspec.field(default_factory=Prepared)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, whatever they are sent with."""
        return isinstance(other, Notification) and self._content == other._content

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """What it says."""
        return f"{type(self).__name__}{self._content!r}"

    @property
    def _content(self) -> tuple[object, ...]:
        return self.labels, self.annotations, self.starts_at, self.out_of_date_at, self.ends_at

    @property
    def firing(self) -> bool:
        """Whether the alert was firing when the notification was made."""
        return self.ends_at is None

    def out_of_date(self, at: Moment) -> bool:
        """Whether it is too old to be sent."""
        return self.out_of_date_at <= at.monotonic

    def as_json(self, at: Moment, ahead: float = 0.0) -> bytes:
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
        return self.prepared.up_to_end(self.labels, self.annotations, starts) + _end(ends)


def _up_to_end(labels: Labels, annotations: Labels, starts: int) -> bytes:
    texts = dict(annotations)
    alert: dict[str, object] = {"labels": dict(labels), "annotations": texts}
    if PAGE_URL in texts:
        alert["generatorURL"] = texts[PAGE_URL]
    alert["startsAt"] = utc_exact(starts / 1000)
    try:
        encoded = msgspec.json.encode(alert)
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8, only an escape.
        encoded = json.dumps(alert).encode()
    return encoded.removesuffix(b"}")


@functools.lru_cache(maxsize=_TIMES)
def _end(ends: int) -> bytes:
    return f',"endsAt":"{utc_exact(ends / 1000)}"}}'.encode()


def _milliseconds(epoch: float) -> int:
    """Whole milliseconds, never later than the time itself."""
    return floor(epoch * 1000)
