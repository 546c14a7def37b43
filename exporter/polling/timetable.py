"""When jobs are due, on a monotonic clock. Pure: it starts no job and reads no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Entry:
    due: float
    interval: float


class Timetable:
    """The due times of jobs that repeat at fixed intervals. Not thread-safe: its owner holds a lock.

    All times are seconds on a monotonic clock, so steps of the system clock do not matter.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, interval: float, due: float) -> None:
        """Add a job that is due at a time, and at its interval from then on."""
        self._entries[name] = _Entry(due, interval)

    def remove(self, name: str) -> None:
        """Remove a job; an unknown one is ignored."""
        self._entries.pop(name, None)

    def run_at(self, name: str, at: float) -> None:
        """Make a job due at a time, and at its interval from then on; an unknown one is ignored."""
        if (entry := self._entries.get(name)) is not None:
            entry.due = at

    def take_due(self, now: float) -> list[str]:
        """The jobs that are due, soonest first; each is due again at its interval.

        Several due times that were missed, because the machine was suspended, count as one.
        """
        due = sorted((entry.due, name) for name, entry in self._entries.items() if entry.due <= now)
        for _, name in due:
            entry = self._entries[name]
            missed = (now - entry.due) // entry.interval
            entry.due += (missed + 1) * entry.interval
        return [name for _, name in due]

    def next_due(self) -> float | None:
        """When the next job is due; None if there is no job."""
        return min((entry.due for entry in self._entries.values()), default=None)
