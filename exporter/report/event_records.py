"""Events as plain values, as the API and the command `events` list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.text import utc_exact

if TYPE_CHECKING:
    from exporter.model.event import Event


def event_record(event: Event) -> dict[str, object]:
    """An event with the details of its kind; empty ones are left out."""
    return {
        "time": utc_exact(event.time),
        "organization": event.organization,
        "event": event.change.value,
        "user_id": event.user_id,
        "user": event.user,
        "token_id": event.token_id,
        "token": event.token,
        "kind": event.kind.value,
        **event.details(),
    }
