"""Tracks which alerts fire, since when, and which are resolved; decides which notifications are due. No I/O.

Monotonic time decides what is due and what is out of date; wall-clock time is only shown. So a step of the wall clock,
in either direction, neither delays a notification nor ends a lease.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING

from exporter.common.text import utc_exact
from exporter.model.kept_alert import KeptAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.alerts.conditions import Alert, Labels, Subject
    from exporter.common.clock import Clock

LEASE = 4
"""A firing alert ends by itself after this many resend intervals without a notification, as in Prometheus."""
RESOLVED_CAPACITY = 10_000
"""Resolved alerts that are kept; beyond that the oldest are dropped, and end by their lease."""
_RESOLVED_KEPT = 15 * 60.0


def resolved_kept(resend: float) -> float:
    """Seconds during which a resolved alert is sent again, in case a receiver missed it.

    As long as in Prometheus, and at least the lease of the last notification.
    """
    return max(_RESOLVED_KEPT, LEASE * resend)


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
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    out_of_date_at: float
    ends_at: float | None = None

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
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": utc_exact(starts / 1000),
            "endsAt": utc_exact(ends / 1000),
        }


def _milliseconds(epoch: float) -> int:
    """Whole milliseconds, never later than the time itself."""
    return floor(epoch * 1000)


@dataclass(frozen=True, slots=True)
class _Tracked:
    notification: Notification
    # None if it has not been sent in this run.
    sent: Moment | None

    def due(self, at: Moment, resend: float) -> bool:
        """Whether it must be sent again: after the resend interval on either clock.

        While a virtual machine is suspended, only wall-clock time goes on, as in Alertmanager. A clock that
        was set back has changed the times to send.
        """
        if self.sent is None:
            return True
        passed = at.wall - self.sent.wall
        return at.monotonic - self.sent.monotonic >= resend or not 0 <= passed < resend


class Tracker:
    """Keeps the alerts from one evaluation to the next. One thread at a time."""

    def __init__(self, resolved_capacity: int = RESOLVED_CAPACITY) -> None:
        self._tracked: dict[Labels, _Tracked] = {}
        self._resolved_capacity = resolved_capacity

    def restore(self, kept: Iterable[KeptAlert], at: Moment, resend: float) -> None:
        """Continue with the alerts of an earlier run; each is due at once."""
        for one in kept:
            out_of_date_at = at.monotonic
            if one.ends_at is not None:
                out_of_date_at += resolved_kept(resend) - max(0.0, at.wall - one.ends_at)
                if out_of_date_at <= at.monotonic:
                    continue
            notification = Notification(one.labels, one.annotations, one.starts_at, out_of_date_at, one.ends_at)
            self._tracked[one.labels] = _Tracked(notification, sent=None)

    def due(
        self, alerts: Iterable[Alert], at: Moment, resend: float, unknown: frozenset[Subject] = frozenset()
    ) -> list[Notification]:
        """The notifications to send now: of new alerts, of alerts due again, of resolved alerts.

        Args:
            alerts: all alerts that fire; of two with the same labels the first counts.
            at: the current time.
            resend: seconds after which an alert is sent again.
            unknown: the subjects that could not be evaluated; their firing alerts keep firing unchanged.
        """
        firing: dict[Labels, Alert] = {}
        for alert in alerts:
            firing.setdefault(alert.labels, alert)
        due = [notification for alert in firing.values() if (notification := self._fire(alert, at, resend)) is not None]
        for labels in [labels for labels in self._tracked if labels not in firing]:
            step = self._renew if self._held(labels, unknown) else self._end
            if (notification := step(labels, at, resend)) is not None:
                due.append(notification)
        self._forget_surplus()
        return due

    @property
    def firing(self) -> list[Notification]:
        """The alerts that are firing."""
        return [tracked.notification for tracked in self._tracked.values() if tracked.notification.firing]

    @property
    def kept(self) -> tuple[KeptAlert, ...]:
        """The alerts to keep over a restart: firing ones, and resolved ones that are still sent."""
        notifications = (tracked.notification for tracked in self._tracked.values())
        return tuple(KeptAlert(one.labels, one.annotations, one.starts_at, one.ends_at) for one in notifications)

    def _fire(self, alert: Alert, at: Moment, resend: float) -> Notification | None:
        before = self._tracked.get(alert.labels)
        starts_at = alert.since
        if before is not None:
            if before.notification.ends_at is not None:
                # It fires again: a new alert, which must not start before the previous one ended.
                starts_at = max(alert.since, before.notification.ends_at)
            elif before.due(at, resend):
                starts_at = before.notification.starts_at
            else:
                return None
        return self._send(alert.labels, alert.annotations, starts_at, at, resend)

    def _renew(self, labels: Labels, at: Moment, resend: float) -> Notification | None:
        before = self._tracked[labels]
        if not before.due(at, resend):
            return None
        return self._send(labels, before.notification.annotations, before.notification.starts_at, at, resend)

    def _send(self, labels: Labels, annotations: Labels, starts_at: float, at: Moment, resend: float) -> Notification:
        notification = Notification(labels, annotations, min(starts_at, at.wall), at.monotonic + LEASE * resend)
        self._tracked[labels] = _Tracked(notification, at)
        return notification

    def _end(self, labels: Labels, at: Moment, resend: float) -> Notification | None:
        before = self._tracked[labels]
        ends_at = before.notification.ends_at
        if ends_at is None:
            until = at.monotonic + resolved_kept(resend)
            notification = replace(before.notification, ends_at=at.wall, out_of_date_at=until)
        elif before.notification.out_of_date(at):
            del self._tracked[labels]
            return None
        elif before.due(at, resend):
            notification = replace(before.notification, ends_at=min(ends_at, at.wall))
        else:
            return None
        self._tracked[labels] = _Tracked(notification, at)
        return notification

    def _held(self, labels: Labels, unknown: frozenset[Subject]) -> bool:
        return bool(unknown) and self._tracked[labels].notification.firing and subject_of(dict(labels)) in unknown

    def _forget_surplus(self) -> None:
        resolved = [
            (tracked.notification.out_of_date_at, labels)
            for labels, tracked in self._tracked.items()
            if not tracked.notification.firing
        ]
        for _, labels in heapq.nsmallest(len(resolved) - self._resolved_capacity, resolved):
            del self._tracked[labels]


def subject_of(labels: Mapping[str, str]) -> Subject:
    """The organization and user that an alert with these labels is about; None for what the labels do not name."""
    return labels.get("organization"), labels.get("user_id")
