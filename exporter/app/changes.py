"""Each update of a ledger, handed to everything that depends on it: in a written order, each listener guarded."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.model.event import events
from exporter.state.delivery import Changed, OrganizationRemoved, OwnExpiryChanged, Swept, UsersRemoved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.cluster.member import Member
    from exporter.metrics.exposition import Exposition
    from exporter.metrics.telemetry import Telemetry
    from exporter.model.event import Event
    from exporter.state.audit import AuditTrail
    from exporter.state.delivery import Update
    from exporter.state.storage import Storage

_log = structlog.get_logger(__name__)
_TRACEBACK_EVERY = 60.0
"""Seconds between two tracebacks of one listener: a defect may be met with every poll."""
_DIFF = "events"


class MonotonicClock(Protocol):
    """The part of a clock that limits the log."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class Listener(Protocol):
    """A part of the exporter that depends on what is known."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    def handle(self, update: Update) -> None:
        """Take note of an update. Called by one thread at a time for each organization; must not wait for I/O."""
        ...


class Changes:
    """Hands updates to listeners, one after the other.

    A ledger calls `publish` for one update at a time and in its order; ledgers of different organizations may call at
    the same time. A listener that raises is counted and logged, and costs neither the other listeners nor the poll.

    Args:
        listeners: who depends on what is known, in the order in which they are called.
        crashed: called after a listener has raised; must count it.
        clock: limits how often a defect is logged.
    """

    def __init__(self, listeners: Sequence[Listener], crashed: Callable[[], None], clock: MonotonicClock) -> None:
        self._listeners = tuple(listeners)
        self._crashed = crashed
        self._clock = clock
        # Guards _logged: ledgers publish at the same time.
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}

    def publish(self, update: Update) -> None:
        """Hand an update to every listener; never raises."""
        if isinstance(update, Changed):
            update = replace(update, events=self._events(update))
        for listener in self._listeners:
            try:
                listener.handle(update)
            except Exception as error:  # noqa: BLE001 - a defect of one listener must cost no other; it is counted
                self._report(listener.name, update, error)

    def _events(self, change: Changed) -> tuple[Event, ...]:
        if change.before is change.after:
            return ()
        try:
            return events(change.organization, change.before, change.after)
        except Exception as error:  # noqa: BLE001 - the new state still counts; the defect is counted
            self._report(_DIFF, change, error)
            return ()

    def _report(self, name: str, update: Update, error: Exception) -> None:
        self._crashed()
        now = self._clock.monotonic()
        with self._lock:
            last = self._logged.get(name)
            if last is not None and now - last < _TRACEBACK_EVERY:
                return
            self._logged[name] = now
        _log.error(
            "a change could not be processed",
            listener=name,
            update=type(update).__name__,
            organization=update.organization,
            exc_info=error,
        )


class ExpositionListener:
    """Renders the text of a user's series as soon as the state changes, so that the next scrape need not."""

    name = "exposition"

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def handle(self, update: Update) -> None:
        """Render; what is removed leaves with the next scrape, which renders what the store has."""
        if isinstance(update, Changed):
            self._exposition.prepare(update.organization, update.after)


class StorageListener:
    """Hands everything to the writer of the state file."""

    name = "storage"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def handle(self, update: Update) -> None:
        """Queue the update for the writer."""
        match update:
            case Changed():
                # Together, or a crash in between would have the next run find the same changes once more.
                self._storage.record(update.organization, update.after, update.events)
            case Swept():
                self._storage.swept(update.organization, update.sweep)
            case OwnExpiryChanged():
                self._storage.own_token(update.organization, update.expires_at)
            case UsersRemoved():
                self._storage.removed(update.organization, update.user_ids)
            case OrganizationRemoved():
                self._storage.organization_removed(update.organization)


class AuditListener:
    """Records, counts and logs what happened to tokens."""

    name = "audit"

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def handle(self, update: Update) -> None:
        """Record the events, or forget those of a removed organization."""
        match update:
            case Changed():
                self._audit.record(update.events)
            case OrganizationRemoved():
                self._audit.forget(update.organization)
            case _:
                pass


class TelemetryListener:
    """Drops the exporter's own series of a removed organization."""

    name = "telemetry"

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def handle(self, update: Update) -> None:
        """Drop the series; whatever is still counted for the organization goes nowhere."""
        if isinstance(update, OrganizationRemoved):
            self._telemetry.forget(update.organization)


class ReplicaListener:
    """Hands everything to the exchange with other replicas."""

    name = "exchange"

    def __init__(self, member: Member) -> None:
        self._member = member

    def handle(self, update: Update) -> None:
        """Queue the update for the exchange."""
        match update:
            case Changed():
                self._member.changed(update.organization, update.after)
            case Swept():
                self._member.swept(update.organization, update.sweep)
            case UsersRemoved():
                self._member.removed(update.organization, update.user_ids)
            case OrganizationRemoved():
                self._member.organization_removed(update.organization)
            case OwnExpiryChanged():
                pass  # each process asks for that of its own token
