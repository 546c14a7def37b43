"""Changes that wait to be written to the state file, merged so that they never outgrow the state itself. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.model.token import CredentialKind
from exporter.state.audit import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.event import Change, Event
    from exporter.model.kept_alert import KeptAlert, KeptChanges, Labels
    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState
    from exporter.model.user import UserKey


@dataclass(slots=True)
class Pending:
    """Changes since the last write. Not thread-safe: its owner holds a lock.

    There is at most one entry per user, organization and kind of event, and the last `KEPT` events. Organizations are
    removed before everything else is written.

    Attributes:
        users: the states to write; None removes the row.
        sweeps: the last sweep by organization.
        own_tokens: when the exporter's own token expires, in epoch seconds by organization; None removes the row.
        removed: organizations whose rows are all removed.
        events: the events that polls found, oldest first.
        last_events: when each change of a token was last found, in epoch seconds, by organization and change.
        alerts: the alerts to keep that have changed, by their labels; None removes the row.
        all_alerts: whether these are all alerts to keep.
        dropped: how many events were dropped since the last write because too many were waiting.
    """

    users: dict[UserKey, UserState | None] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    own_tokens: dict[str, float | None] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    last_events: dict[tuple[str, Change], float] = field(default_factory=dict)
    alerts: dict[Labels, KeptAlert | None] = field(default_factory=dict)
    all_alerts: bool = False
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.users
            or self.sweeps
            or self.own_tokens
            or self.removed
            or self.events
            or self.last_events
            or self.alerts
            or self.all_alerts
        )

    def add_events(self, events: Iterable[Event]) -> None:
        """Append events; drops the oldest if more are waiting than the file keeps."""
        for event in events:
            self.dropped += len(self.events) == KEPT
            self.events.append(event)
            if event.kind is CredentialKind.TOKEN:
                self.last_events[event.organization, event.change] = event.time

    def keep_alerts(self, changes: KeptChanges) -> None:
        """Add changes of the alerts to keep."""
        if changes.complete:
            self.alerts, self.all_alerts = {}, True
        self.alerts.update(dict.fromkeys(changes.dropped))
        self.alerts.update((alert.labels, alert) for alert in changes.alerts)

    def remove_organization(self, organization: str) -> None:
        """Drop all pending changes of an organization and mark its rows for removal."""
        self._forget(organization)
        self.removed.add(organization)

    def put_back(self, failed: Pending) -> None:
        """Put back a batch that could not be written; changes since then are newer and win."""
        for organization in self.removed:
            failed._forget(organization)
        self.users = failed.users | self.users
        self.sweeps = failed.sweeps | self.sweeps
        self.own_tokens = failed.own_tokens | self.own_tokens
        self.removed |= failed.removed
        newer, self.events = self.events, failed.events
        for event in newer:
            self.dropped += len(self.events) == KEPT
            self.events.append(event)
        self.last_events = failed.last_events | self.last_events
        if not self.all_alerts:
            self.alerts = failed.alerts | self.alerts
            self.all_alerts = failed.all_alerts
        self.dropped += failed.dropped

    def _forget(self, organization: str) -> None:
        self.users = {key: state for key, state in self.users.items() if key[0] != organization}
        self.sweeps.pop(organization, None)
        self.own_tokens.pop(organization, None)
        self.events = deque((one for one in self.events if one.organization != organization), maxlen=KEPT)
        self.last_events = {key: at for key, at in self.last_events.items() if key[0] != organization}
