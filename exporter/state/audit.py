"""The audit trail: the last events in memory, each in the log, in a counter, and in the storage file."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.model.event import Change, Event

_log = structlog.get_logger(__name__)
KEPT = 1000
"""How many events are kept, the latest ones."""

LastEvents = dict[tuple[str, "Change"], float]
"""When each change was last seen in each organization, in epoch seconds: however much has happened since."""


class AuditTrail:
    """Notes what polls find changed. Pollers write, readers read; both from any thread.

    Args:
        count: called for each event.
    """

    def __init__(self, count: Callable[[Event], None]) -> None:
        self._count = count
        # Guards the fields below, which readers copy while pollers add to them.
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._last: LastEvents = {}

    def restore(self, earlier: Iterable[Event], last: Mapping[tuple[str, Change], float]) -> None:
        """Begin with the events of an earlier run, oldest first; they are neither counted nor logged again."""
        with self._lock:
            self._events.extend(earlier)
            self._last.update(last)

    def note(self, found: Iterable[Event]) -> None:
        """A poll has found these."""
        for event in found:
            with self._lock:
                self._events.append(event)
                self._last[event.organization, event.change] = event.time
            self._count(event)
            _log.info(
                "token changed",
                stream="audit",
                organization=event.organization,
                change=event.change.value,
                user_id=event.user_id,
                user=event.user,
                token_id=event.token_id,
                token=event.token,
                **{
                    name: " ".join(value) if isinstance(value, list) else value
                    for name, value in event.details().items()
                },
            )

    def forget(self, organization: str) -> None:
        """Drop the events of an organization that is no longer configured."""
        with self._lock:
            self._events = deque((event for event in self._events if event.organization != organization), maxlen=KEPT)
            self._last = {key: at for key, at in self._last.items() if key[0] != organization}

    def last(self) -> LastEvents:
        """When each change was last seen, by organization and change."""
        with self._lock:
            return dict(self._last)

    def latest(self) -> tuple[Event, ...]:
        """The events kept, newest first."""
        with self._lock:
            return tuple(reversed(self._events))
