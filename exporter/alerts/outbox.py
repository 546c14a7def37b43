"""The queue of notifications for one receiver: bounded, at most one for each alert, oldest first."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.alerts.alert import Labels
    from exporter.alerts.notification import Notification

CAPACITY = 10_000
"""Queued notifications for one receiver; as many as Prometheus keeps by default."""


class Outbox:
    """A bounded queue. Not thread-safe: the owner holds a lock.

    A newer notification of an alert replaces the queued one and keeps its place: otherwise an alert that is renewed
    repeatedly would never be sent. Only notifications of one unit move to the end, so that they stay together. If one
    of them replaces a queued one of an earlier unit, the units become one: an alert that has ended leaves with the one
    that fires now, even if there was another one in between that was never sent. When the queue is full, it drops
    notifications of the alerts that were delivered most recently, then the newest.

    Args:
        capacity: how many notifications it holds.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: dict[Labels, Notification] = {}
        # The alerts of the last deliveries, oldest first. An alert may be in several.
        self._deliveries: deque[list[Labels]] = deque()
        self._delivered = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more it holds."""
        return max(0, self._capacity - len(self._waiting))

    def put(self, notifications: Iterable[Notification]) -> int:
        """Append notifications; returns how many were dropped because the queue was full."""
        joined: dict[int, int] = {}
        for one in notifications:
            queued = self._waiting.setdefault(one.labels, one)
            if queued is one:
                continue
            if one.unit:
                del self._waiting[one.labels]
            self._waiting[one.labels] = _successor(queued, one, joined)
        self._join(joined)
        return self._make_room()

    def take(self, count: int, *, whole: bool = False) -> list[Notification]:
        """Remove the oldest notifications.

        Args:
            count: how many at most.
            whole: take no part of a unit, unless the unit alone is more than that.
        """
        oldest = list(itertools.islice(self._waiting.values(), count + 1))
        taken = oldest[:count]
        if whole and len(oldest) > count and (unit := oldest[count].unit):
            complete = [one for one in taken if one.unit != unit]
            taken = complete or taken
        for one in taken:
            del self._waiting[one.labels]
        return taken

    def put_back(self, batch: Sequence[Notification], *, behind: bool = False) -> int:
        """Return notifications that were taken but not delivered, to the front or the back of the queue.

        If a newer notification of the same alert was queued meanwhile, it stays. Returns how many were dropped.
        """
        joined: dict[int, int] = {}
        returned = {
            one.labels: one if (newer := self._waiting.get(one.labels)) is None else _successor(one, newer, joined)
            for one in batch
        }
        if behind:
            for labels in returned:
                self._waiting.pop(labels, None)
            self._waiting |= returned
        else:
            # Not `|`, which keeps the values of the right-hand side.
            self._waiting = returned | {labels: one for labels, one in self._waiting.items() if labels not in returned}
        self._join(joined)
        return self._make_room()

    def delivered(self, batch: Iterable[Notification]) -> None:
        """Record that these were delivered."""
        labels = [one.labels for one in batch]
        self._deliveries.append(labels)
        self._delivered += len(labels)
        while self._delivered - len(self._deliveries[0]) >= 2 * self._capacity:
            self._delivered -= len(self._deliveries.popleft())

    def _join(self, joined: Mapping[int, int]) -> None:
        """Bring the notifications of units that have become one together, at the place of the first.

        Args:
            joined: the later unit, by the earlier one; the same unit if its notifications may only have been separated.
        """
        if not joined:
            return
        remaining = set(joined.values())
        units: dict[int, list[Notification]] = {}
        current: dict[Labels, Notification] = {}
        for labels, one in self._waiting.items():
            unit = one.unit
            while unit < (later := joined.get(unit, 0)):
                unit = later
            current[labels] = one if unit == one.unit else replace(one, unit=unit)
            if unit in remaining:
                units.setdefault(unit, []).append(current[labels])
        self._waiting = {}
        for labels, one in current.items():
            # What fires comes first, in case a receiver gets only a part.
            members = sorted(units.get(one.unit, ()), key=lambda member: not member.firing)
            self._waiting |= {member.labels: member for member in members} or {labels: one}

    def _make_room(self) -> int:
        surplus = max(0, len(self._waiting) - self._capacity)
        if surplus:
            delivered = (labels for batch in reversed(self._deliveries) for labels in reversed(batch))
            newest_first = itertools.chain(delivered, reversed(self._waiting))
            chosen = dict.fromkeys(labels for labels in newest_first if labels in self._waiting)
            for labels in list(itertools.islice(chosen, surplus)):
                del self._waiting[labels]
        return surplus


def _successor(older: Notification, newer: Notification, joined: dict[int, int]) -> Notification:
    """The newer notification of the same alert, in its unit or else in that of the older one.

    Records in ``joined`` which units it joins or may divide. A unit of a later change has a higher number.
    """
    if older.unit and not newer.unit:
        return replace(newer, unit=older.unit)
    if older.unit and older.unit < newer.unit:
        joined[older.unit] = newer.unit
    elif newer.unit and not older.unit:
        joined.setdefault(newer.unit, newer.unit)
    return newer
