"""Which alerts are firing, since when, and which have ended: what is sent to Alertmanager, and when. No I/O.

Two clocks: monotonic time decides what is due and what is out of date; wall-clock time is only shown. So a step of the
wall clock, in either direction, neither delays a notification nor ends a lease.
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
"""An alert ends by itself after this many re-send intervals without a notification, as in Prometheus."""
RESOLVED_CAPACITY = 10_000
"""Resolved alerts that are remembered; beyond it the oldest go first, and end by their lease at the latest."""
_RESOLVED_KEPT = 15 * 60.0


def resolved_kept(resend: float) -> float:
    """Seconds for which a resolved alert is sent again and again, in case an Alertmanager missed it.

    As long as in Prometheus, and not shorter than the lease of what was sent last.
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
class Notice:
    """An alert as it is sent to Alertmanager.

    Attributes:
        labels: the identity.
        annotations: the words.
        starts_at: epoch seconds; the same for as long as the alert fires, unless the clock is set back before it.
        out_of_date_at: monotonic seconds from which it must not be sent any more: the end of the lease of an alert
            that fires, the end of the time for which a resolved one is sent again.
        ends_at: epoch seconds at which it was resolved; None while it fires.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    out_of_date_at: float
    ends_at: float | None = None

    @property
    def firing(self) -> bool:
        """Whether the cause lasted when the notice was made."""
        return self.ends_at is None

    def out_of_date(self, at: Moment) -> bool:
        """Whether it is too old to be sent."""
        return self.out_of_date_at <= at.monotonic

    def as_json(self, at: Moment, ahead: float = 0.0) -> dict[str, object]:
        """The form of Alertmanager's API v2 (`postableAlert`), with the times as they are right at the time of sending.

        An alert that fires ends at the end of its lease from now on, by the clock that is ahead. A resolved one ends at
        or before now by both clocks: Alertmanager takes an end in the future for an alert that fires.

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
            # Alertmanager refuses a start after the end.
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
    notice: Notice
    # None before the first time in this run.
    sent: Moment | None

    def due(self, at: Moment, resend: float) -> bool:
        """Whether it is to be sent again.

        That is so after the re-send interval on either clock. Wall-clock time alone runs on while a virtual machine is
        suspended, and Alertmanager's clock with it; a clock that was set back has changed the times that are right.
        """
        if self.sent is None:
            return True
        passed = at.wall - self.sent.wall
        return at.monotonic - self.sent.monotonic >= resend or not 0 <= passed < resend


class Tracker:
    """Remembers the alerts from one evaluation to the next. One thread at a time."""

    def __init__(self, resolved_capacity: int = RESOLVED_CAPACITY) -> None:
        self._tracked: dict[Labels, _Tracked] = {}
        self._resolved_capacity = resolved_capacity

    def restore(self, kept: Iterable[KeptAlert], at: Moment, resend: float) -> None:
        """Go on with the alerts of an earlier run; each is due at once."""
        for one in kept:
            out_of_date_at = at.monotonic
            if one.ends_at is not None:
                out_of_date_at += resolved_kept(resend) - max(0.0, at.wall - one.ends_at)
                if out_of_date_at <= at.monotonic:
                    continue
            notice = Notice(one.labels, one.annotations, one.starts_at, out_of_date_at, one.ends_at)
            self._tracked[one.labels] = _Tracked(notice, sent=None)

    def due(
        self, alerts: Iterable[Alert], at: Moment, resend: float, unknown: frozenset[Subject] = frozenset()
    ) -> list[Notice]:
        """What is to be sent to Alertmanager now: what is new, what is due again, what has ended.

        Args:
            alerts: everything that is worth an alert now; two with the same labels count as the first.
            at: now.
            resend: seconds after which an alert is sent again.
            unknown: what could not be evaluated; an alert about it that fires goes on as it was.
        """
        firing: dict[Labels, Alert] = {}
        for alert in alerts:
            firing.setdefault(alert.labels, alert)
        due = [notice for alert in firing.values() if (notice := self._fire(alert, at, resend)) is not None]
        for labels in [labels for labels in self._tracked if labels not in firing]:
            notice = self._renew(labels, at, resend) if self._held(labels, unknown) else self._end(labels, at, resend)
            if notice is not None:
                due.append(notice)
        self._forget_surplus()
        return due

    @property
    def firing(self) -> list[Notice]:
        """The alerts that are firing."""
        return [tracked.notice for tracked in self._tracked.values() if tracked.notice.firing]

    @property
    def kept(self) -> tuple[KeptAlert, ...]:
        """What a restart needs: the alerts that are firing, and the resolved ones that are still sent."""
        notices = (tracked.notice for tracked in self._tracked.values())
        return tuple(KeptAlert(one.labels, one.annotations, one.starts_at, one.ends_at) for one in notices)

    def _fire(self, alert: Alert, at: Moment, resend: float) -> Notice | None:
        before = self._tracked.get(alert.labels)
        starts_at = alert.since
        if before is not None:
            if before.notice.ends_at is not None:
                # It comes back: a new alert, which must not start before the old one's end.
                starts_at = max(alert.since, before.notice.ends_at)
            elif before.due(at, resend):
                starts_at = before.notice.starts_at
            else:
                return None
        return self._send(alert.labels, alert.annotations, starts_at, at, resend)

    def _renew(self, labels: Labels, at: Moment, resend: float) -> Notice | None:
        before = self._tracked[labels]
        if not before.due(at, resend):
            return None
        return self._send(labels, before.notice.annotations, before.notice.starts_at, at, resend)

    def _send(self, labels: Labels, annotations: Labels, starts_at: float, at: Moment, resend: float) -> Notice:
        notice = Notice(labels, annotations, min(starts_at, at.wall), at.monotonic + LEASE * resend)
        self._tracked[labels] = _Tracked(notice, at)
        return notice

    def _end(self, labels: Labels, at: Moment, resend: float) -> Notice | None:
        before = self._tracked[labels]
        ends_at = before.notice.ends_at
        if ends_at is None:
            notice = replace(before.notice, ends_at=at.wall, out_of_date_at=at.monotonic + resolved_kept(resend))
        elif before.notice.out_of_date(at):
            del self._tracked[labels]
            return None
        elif before.due(at, resend):
            notice = replace(before.notice, ends_at=min(ends_at, at.wall))
        else:
            return None
        self._tracked[labels] = _Tracked(notice, at)
        return notice

    def _held(self, labels: Labels, unknown: frozenset[Subject]) -> bool:
        return bool(unknown) and self._tracked[labels].notice.firing and subject_of(dict(labels)) in unknown

    def _forget_surplus(self) -> None:
        resolved = [
            (tracked.notice.out_of_date_at, labels)
            for labels, tracked in self._tracked.items()
            if not tracked.notice.firing
        ]
        for _, labels in heapq.nsmallest(len(resolved) - self._resolved_capacity, resolved):
            del self._tracked[labels]


def subject_of(labels: Mapping[str, str]) -> Subject:
    """The organization and user that an alert with these labels is about; None for those that it does not name."""
    return labels.get("organization"), labels.get("user_id")
