"""The notices that wait for one Alertmanager: bounded, one for each alert, in the order in which they were made."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.alerts.conditions import Labels
    from exporter.alerts.tracker import Notice

CAPACITY = 10_000
"""Notices that wait for one Alertmanager; as many as Prometheus keeps by default."""


class Outbox:
    """A bounded queue. Not safe for threads: whoever owns it has the lock.

    A newer notice of the same alert replaces the one that waits and keeps its place: otherwise an alert that is renewed
    again and again would never be sent. Where there is no room, those go whose alert Alertmanager has taken most
    recently, then the newest.

    Args:
        capacity: notices that may wait.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: dict[Labels, Notice] = {}
        # The alerts that Alertmanager has taken, in the order of the last time.
        self._delivered: dict[Labels, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, notices: Iterable[Notice]) -> int:
        """Add notices behind the others; returns how many were dropped for want of room."""
        self._waiting.update((notice.labels, notice) for notice in notices)
        return self._make_room()

    def take(self, count: int) -> list[Notice]:
        """Remove the oldest notices."""
        return [self._waiting.pop(labels) for labels in list(itertools.islice(self._waiting, count))]

    def put_back(self, batch: Sequence[Notice], *, behind: bool = False) -> int:
        """Add what was taken and not delivered, before the others or behind them.

        A notice of the same alert that came meanwhile is newer and stays. Returns how many were dropped.
        """
        returned = {notice.labels: self._waiting.get(notice.labels, notice) for notice in batch}
        if behind:
            for labels in returned:
                self._waiting.pop(labels, None)
            self._waiting |= returned
        else:
            self._waiting = returned | self._waiting
        return self._make_room()

    def delivered(self, batch: Iterable[Notice]) -> None:
        """Remember that Alertmanager has taken these."""
        for notice in batch:
            self._delivered.pop(notice.labels, None)
            self._delivered[notice.labels] = None
        surplus = max(0, len(self._delivered) - 2 * self._capacity)
        for labels in list(itertools.islice(self._delivered, surplus)):
            del self._delivered[labels]

    def _make_room(self) -> int:
        surplus = max(0, len(self._waiting) - self._capacity)
        if surplus:
            newest_first = itertools.chain(reversed(self._delivered), reversed(self._waiting))
            chosen = dict.fromkeys(labels for labels in newest_first if labels in self._waiting)
            for labels in list(itertools.islice(chosen, surplus)):
                del self._waiting[labels]
        return surplus
