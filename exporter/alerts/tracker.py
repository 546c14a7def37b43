"""Tracks which alerts fire, since when, and which are resolved; decides which notifications are due. No I/O.

Monotonic time decides what is due and what is out of date; wall-clock time is only shown. So a step of the wall clock,
in either direction, neither delays a notification nor ends a lease.

The work of a step depends on what has changed and on what is due, not on the number of alerts that fire.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from exporter.alerts import handover
from exporter.alerts.alert import ALERT_NAME, ALL_USERS, POLICY
from exporter.alerts.definitions import TOKEN_NOT_REMOVED
from exporter.alerts.kept import KeptQueue
from exporter.alerts.notification import Notification, Prepared
from exporter.model.kept_alert import KeptAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.alerts.alert import Alert, Evaluation, Labels, Subject
    from exporter.alerts.notification import Moment
    from exporter.model.kept_alert import KeptChanges

LEASE = 4
"""A firing alert ends by itself after this many resend intervals without a notification, as in Prometheus."""
RESOLVED_CAPACITY = 10_000
"""Resolved alerts that are kept; beyond that the oldest are dropped, and end by their lease."""
_RESOLVED_KEPT = 15 * 60.0
_LEFTOVERS = 1000


def resolved_kept(resend: float) -> float:
    """Seconds during which a resolved alert is sent again, in case a receiver missed it.

    As long as in Prometheus, and at least the lease of the last notification.
    """
    return max(_RESOLVED_KEPT, LEASE * resend)


@dataclass(slots=True, eq=False)
class _Tracked:
    """An alert that fires or was resolved lately.

    Attributes:
        ends_at: epoch seconds at which it was resolved; None while it fires.
        out_of_date_at: once it is resolved, the monotonic time from which it is no longer sent.
        sent: when it was last sent; None if it has not been sent in this run.
        urgent: whether it waits to be sent because it has started or ended, or is of an earlier run.
        unit: the alerts to send it with while it is urgent; None for none.
        prepared: what its notifications share; replaced when the annotations change.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None = None
    out_of_date_at: float = 0.0
    sent: Moment | None = None
    urgent: bool = False
    unit: handover.Unit | None = None
    prepared: Prepared = field(default_factory=Prepared)


def _is_due(sent: Moment, at: Moment, resend: float) -> bool:
    """Whether what was sent then must be sent again: after the resend interval on either clock.

    While a virtual machine is suspended, only wall-clock time goes on, as in Alertmanager. A clock that was set back
    has changed the times to send.
    """
    passed = at.wall - sent.wall
    return at.monotonic - sent.monotonic >= resend or not 0 <= passed < resend


class Tracker:
    """Keeps the alerts from one evaluation to the next. One thread at a time."""

    def __init__(self, resolved_capacity: int = RESOLVED_CAPACITY) -> None:
        self._resolved_capacity = resolved_capacity
        self._tracked: dict[Labels, _Tracked] = {}
        self._resolved: dict[Labels, _Tracked] = {}
        # To be sent first, each alert at most once.
        self._urgent: deque[_Tracked] = deque()
        # What was sent together, oldest first. An alert belongs to the batch whose moment it has; others are leftovers.
        # With the interval after which it is due again: after a reload, a longer one must let no lease run out.
        self._batches: deque[tuple[Moment, float, deque[_Tracked]]] = deque()
        self._firing: Counter[str] = Counter()
        self._units = itertools.count(1)
        self._kept = KeptQueue()
        self.applied: int | None = None
        """The number of the last evaluation; None if the next one must be complete."""
        self.behind = False
        """Whether notifications are due for which there was no room."""

    def restore(self, kept: Iterable[KeptAlert], at: Moment, resend: float) -> None:
        """Continue with the alerts of an earlier run; each is due at once."""
        self.applied = None
        for one in kept:
            tracked = _Tracked(one.labels, one.annotations, one.starts_at, one.ends_at)
            if one.ends_at is not None:
                tracked.out_of_date_at = at.monotonic + resolved_kept(resend) - max(0.0, at.wall - one.ends_at)
                if tracked.out_of_date_at <= at.monotonic:
                    continue
            if (before := self._tracked.get(one.labels)) is not None:
                self._remove(before)
            self._add(tracked)

    def update(self, found: Evaluation, at: Moment, resend: float) -> None:
        """Record the result of an evaluation.

        Args:
            found: which alerts fire; of two with the same labels the first counts. The firing alerts of subjects that
                could not be evaluated keep firing unchanged.
            at: the current time.
            resend: seconds after which an alert is sent again.
        """
        self.applied = None
        firing: dict[Labels, Alert] = {}
        for alert in found.alerts:
            firing.setdefault(alert.labels, alert)
        ended: Iterable[Labels] = found.ended
        if found.complete:
            ended = [
                labels
                for labels, one in self._tracked.items()
                if one.ends_at is None and labels not in firing and not _held(labels, found.unknown)
            ]
        begun = [one for alert in firing.values() if (one := self._fire(alert, at)) is not None]
        over = [one for labels in ended if (one := self._end(labels, at, resend)) is not None]
        handover.join(begun, over, self._units)
        self.applied = found.number

    def due(self, at: Moment, resend: float, room: int = sys.maxsize) -> list[Notification]:
        """The notifications to send now: of new alerts, of resolved alerts, of alerts due again.

        Args:
            at: the current time.
            resend: seconds after which an alert is sent again.
            room: the most notifications to return; the rest stays due.
        """
        for one in [one for one in self._resolved.values() if one.out_of_date_at <= at.monotonic]:
            self._remove(one)
        taken = self._take(at, resend, room)
        if taken:
            self._batches.append((at, resend, taken))
        found = [self._notification(one, at, resend) for one in taken]
        for one in taken:
            one.unit = None
        self._forget_surplus()
        self._tidy()
        self.behind = bool(self._urgent) or any(
            _is_due(sent, at, min(interval, resend)) for sent, interval, _ in self._batches
        )
        return found

    @property
    def firing(self) -> Mapping[str, int]:
        """How many alerts are firing, by name."""
        return self._firing

    @property
    def kept(self) -> tuple[KeptAlert, ...]:
        """The alerts to keep over a restart: firing ones, and resolved ones that are still sent."""
        return tuple(self._every_kept())

    def kept_changes(self, at: Moment) -> KeptChanges | None:
        """What to store of these alerts now; None if there is nothing."""
        return self._kept.take(at.monotonic, self._kept_alert, self._every_kept)

    def _every_kept(self) -> Iterator[KeptAlert]:
        return (KeptAlert(one.labels, one.annotations, one.starts_at, one.ends_at) for one in self._tracked.values())

    def _kept_alert(self, labels: Labels) -> KeptAlert | None:
        one = self._tracked.get(labels)
        return None if one is None else KeptAlert(one.labels, one.annotations, one.starts_at, one.ends_at)

    def _take(self, at: Moment, resend: float, room: int) -> deque[_Tracked]:
        """The alerts to send now, at most ``room``."""
        taken: deque[_Tracked] = deque()
        while self._urgent and len(taken) < room:
            one = self._urgent[0]
            waiting = _waiting_with(one)
            if len(taken) + len(waiting) > room:
                break
            self._urgent.popleft()
            for member in waiting:
                member.urgent, member.sent = False, at
                taken.append(member)
        for sent, interval, members in self._batches:
            if not _is_due(sent, at, min(interval, resend)):
                continue
            while members and len(taken) < room:
                one = members.popleft()
                if one.sent is sent:
                    one.sent = at
                    taken.append(one)
        return taken

    def _notification(self, one: _Tracked, at: Moment, resend: float) -> Notification:
        """What is sent of an alert. After the clock was set back, no time is in the future."""
        if one.ends_at is None:
            if one.starts_at > at.wall:
                one.starts_at = at.wall
                self._kept.changed(one.labels)
            lease = at.monotonic + LEASE * resend
            return Notification(
                one.labels, one.annotations, one.starts_at, lease, unit=_number(one), prepared=one.prepared
            )
        if one.ends_at > at.wall:
            one.ends_at = at.wall
            self._kept.changed(one.labels)
        return Notification(
            *(one.labels, one.annotations, one.starts_at, one.out_of_date_at, one.ends_at, _number(one), one.prepared)
        )

    def _fire(self, alert: Alert, at: Moment) -> _Tracked | None:
        """Record that an alert fires; returns it if it has begun."""
        one = self._tracked.get(alert.labels)
        if one is None:
            return self._add(_Tracked(alert.labels, alert.annotations, min(alert.since, at.wall)))
        if one.ends_at is not None:
            # It fires again: a new alert, which must not start before the previous one ended.
            self._remove(one)
            starts_at = min(max(alert.since, one.ends_at), at.wall)
            return self._add(_Tracked(alert.labels, alert.annotations, starts_at))
        if one.annotations is not alert.annotations:
            if one.annotations != alert.annotations:
                # A restart evaluates it again before it is sent, so how much time is left needs no storing.
                if not alert.only_reworded(one.annotations):
                    self._kept.texts_changed(one.labels)
                one.prepared = Prepared()
            one.annotations = alert.annotations
        return None

    def _end(self, labels: Labels, at: Moment, resend: float) -> _Tracked | None:
        """Record that an alert does not fire; returns it if it did."""
        one = self._tracked.get(labels)
        if one is None or one.ends_at is not None:
            return None
        self._count(one, -1)
        one.ends_at = at.wall
        one.out_of_date_at = at.monotonic + resolved_kept(resend)
        self._resolved[labels] = one
        self._kept.changed(labels)
        if not one.urgent:
            one.urgent = True
            self._urgent.append(one)
        return one

    def _add(self, one: _Tracked) -> _Tracked:
        self._tracked[one.labels] = one
        if one.ends_at is None:
            self._count(one, 1)
        else:
            self._resolved[one.labels] = one
        self._kept.changed(one.labels)
        one.urgent = True
        self._urgent.append(one)
        return one

    def _remove(self, one: _Tracked) -> None:
        """Forget an alert. What still refers to it ignores it."""
        del self._tracked[one.labels]
        if self._resolved.pop(one.labels, None) is None:
            self._count(one, -1)
        self._kept.changed(one.labels)
        one.urgent, one.sent, one.unit = False, None, None

    def _count(self, one: _Tracked, step: int) -> None:
        self._firing[next((value for name, value in one.labels if name == ALERT_NAME), "")] += step

    def _forget_surplus(self) -> None:
        surplus = len(self._resolved) - self._resolved_capacity
        if surplus > 0:
            resolved = [(one.out_of_date_at, labels) for labels, one in self._resolved.items()]
            for _, labels in heapq.nsmallest(surplus, resolved):
                self._remove(self._resolved[labels])

    def _tidy(self) -> None:
        """Drop empty batches, and what only refers to alerts that were sent again meanwhile."""
        if sum(len(members) for _, _, members in self._batches) > 2 * len(self._tracked) + _LEFTOVERS:
            self._batches = deque(
                (sent, interval, deque(one for one in members if one.sent is sent))
                for sent, interval, members in self._batches
            )
            self._urgent = deque(one for one in self._urgent if one.urgent)
        if any(not members for _, _, members in self._batches):
            self._batches = deque(batch for batch in self._batches if batch[2])


def _waiting_with(one: _Tracked) -> list[_Tracked]:
    """The alerts to send with an urgent one, itself included; none if it is not urgent any more."""
    if not one.urgent:
        return []
    members = (one,) if one.unit is None else cast("list[_Tracked]", one.unit.members)
    return [member for member in members if member.urgent]


def _number(one: _Tracked) -> int:
    """The number of the unit that an alert is sent in; 0 for none."""
    return 0 if one.unit is None else one.unit.number


def _held(labels: Labels, unknown: frozenset[Subject]) -> bool:
    return bool(unknown) and subject_of(dict(labels)) in unknown


def subject_of(labels: Mapping[str, str]) -> Subject:
    """The organization and user that an alert with these labels is about; None for what the labels do not name.

    An alert about a policy, or about tokens that are not removed, that names no user sums up all of them.
    """
    sums_up = POLICY in labels or labels.get(ALERT_NAME) == TOKEN_NOT_REMOVED.name
    return labels.get("organization"), labels.get("user_id", ALL_USERS if sums_up else None)
