"""The JSON API of the latest events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter.report.event_records import event_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.event import Event
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)
_DIGITS = 9
"""Digits of a limit that are parsed: enough for more events than are ever kept."""


@dataclass(frozen=True, slots=True)
class EncodedEvents:
    """Events as JSON.

    Attributes:
        newest_first: the events, each as a JSON object.
    """

    newest_first: tuple[bytes, ...]

    def newest(self, limit: str | None) -> bytes:
        """The newest events as a JSON array: at most ``limit`` of them, all if it is None."""
        count = None if limit is None else int(limit.lstrip("0")[:_DIGITS] or "0")
        return b"[" + b", ".join(self.newest_first[:count]) + b"]"


def invalid_limit(limit: str) -> bool:
    """Whether a limit is not a whole number."""
    return not limit.isascii() or not limit.isdigit()


class EventList:
    """The latest events, encoded again only when they change. For one thread at a time.

    Args:
        events: the events, newest first.
        refusals: counts events that cannot be rendered.
    """

    def __init__(self, events: Callable[[], Sequence[Event]], refusals: Refusals) -> None:
        self._events = events
        self._refusals = refusals
        self._made_from: tuple[Event, ...] = ()
        self._encoded = EncodedEvents(())

    def encoded(self) -> EncodedEvents:
        """The events as JSON."""
        events = tuple(self._events())
        if events != self._made_from:
            self._encoded = EncodedEvents(tuple(found for one in events if (found := self._encode(one)) is not None))
            self._made_from = events
        return self._encoded

    def _encode(self, event: Event) -> bytes | None:
        try:
            return json.dumps(event_record(event), ensure_ascii=False).encode()
        except Exception:  # noqa: BLE001 - one event must not break the list; counted
            if event not in self._made_from:
                self._refusals.internal_error("render")
                _log.exception(
                    "an event cannot be rendered and is left out of the API",
                    organization=event.organization,
                    user_id=event.user_id,
                )
            return None
