"""The audit trail: the last events in memory, each in the log, in a counter, and in the storage file."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

from exporter.events import Change, events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.events import Event
    from exporter.model import UserState

_log = structlog.get_logger(__name__)
KEPT = 1000
"""How many events are kept, the latest ones."""


class AuditTrail:
    """Notes what polls find changed. Pollers write, readers read; both from any thread.

    Args:
        count: called with organization and change for each event.
        keep: told of each event, to write it down.
    """

    def __init__(self, count: Callable[[str, Change], None], keep: Callable[[Event], None] | None = None) -> None:
        self._count = count
        self._keep = keep
        # Guards _events, which readers copy while pollers add to it.
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=KEPT)

    def restore(self, earlier: Iterable[Event]) -> None:
        """Begin with the events of an earlier run, oldest first; they are neither counted nor logged again."""
        with self._lock:
            self._events.extend(earlier)

    def changed(self, organization: str, before: UserState, after: UserState) -> None:
        """A poll of a user has ended."""
        for event in events(organization, before, after):
            with self._lock:
                self._events.append(event)
            self._count(organization, event.change)
            if self._keep is not None:
                self._keep(event)
            _log.info(
                "token changed",
                stream="audit",
                organization=organization,
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

    def latest(self) -> tuple[Event, ...]:
        """The events kept, newest first."""
        with self._lock:
            return tuple(reversed(self._events))
