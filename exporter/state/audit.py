"""The audit trail: logs and counts every event, and keeps the latest in memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

from exporter.model.token import CredentialKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.model.event import Change, Event

_log = structlog.get_logger(__name__)
KEPT = 1000
"""How many events are kept; older ones are dropped."""

LastEvents = dict[tuple[str, "Change"], float]
"""When each change of a token was last found in each organization, in epoch seconds, even if its event is dropped."""


class AuditTrail:
    """Records the events that polls find. Any thread may write and read.

    Args:
        count: called for each event of a token.
    """

    def __init__(self, count: Callable[[Event], None]) -> None:
        self._count = count
        # Guards the fields below: readers copy them while pollers add to them.
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._last: LastEvents = {}

    def restore(self, earlier: Iterable[Event], last: Mapping[tuple[str, Change], float]) -> None:
        """Start with the events of an earlier run, oldest first. They are not counted or logged again."""
        with self._lock:
            self._events.extend(earlier)
            self._last.update(last)

    def record(self, found: Iterable[Event]) -> None:
        """Record the events that a poll has found."""
        for event in found:
            of_token = event.kind is CredentialKind.TOKEN
            with self._lock:
                self._events.append(event)
                if of_token:
                    self._last[event.organization, event.change] = event.time
            if of_token:
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
                kind=event.kind.value,
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
        """When each kind of change was last found, by organization and change."""
        with self._lock:
            return dict(self._last)

    def latest(self) -> tuple[Event, ...]:
        """The events kept, newest first."""
        with self._lock:
            return tuple(reversed(self._events))
