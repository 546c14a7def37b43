"""Passes each update of a ledger to all listeners, in a fixed order. A defect of one does not affect the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.common.log_limit import LogLimit
from exporter.model.event import events
from exporter.state.delivery import Changed, OrganizationRemoved, OwnExpiryChanged, Swept, UsersRemoved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.cluster.member import Member
    from exporter.common.worker import MonotonicClock
    from exporter.metrics.exposition import Exposition
    from exporter.metrics.telemetry import Telemetry
    from exporter.state.audit import AuditTrail
    from exporter.state.delivery import Update
    from exporter.state.storage import Storage

_log = structlog.get_logger(__name__)
_DIFF = "events"


class Listener(Protocol):
    """A part of the exporter that depends on the state of users."""

    @property
    def name(self) -> str:
        """Its name in the log."""
        ...

    def handle(self, update: Update) -> None:
        """Process an update. Called by one thread at a time for each organization; must not wait for I/O."""
        ...


class Changes:
    """Passes updates to listeners, one after the other.

    A ledger calls `publish` for one update at a time and in its order; ledgers of different organizations may call at
    the same time. A listener that raises is counted and logged; the other listeners continue.

    Args:
        listeners: in the order in which they are called.
        crashed: called after a listener has raised; must count it.
        clock: limits how often a defect is logged.
    """

    def __init__(self, listeners: Sequence[Listener], crashed: Callable[[], None], clock: MonotonicClock) -> None:
        self._listeners = tuple(listeners)
        self._crashed = crashed
        # Each defect is counted by `crashed`, whether it is logged or not.
        self._limit = LogLimit(clock, lambda: None)

    def publish(self, update: Update) -> bool:
        """Pass an update to every listener. Never raises. Returns whether all of them processed it."""
        complete = True
        if isinstance(update, Changed) and update.before is not update.after:
            try:
                update = replace(update, events=events(update.organization, update.before, update.after))
            except Exception as error:  # noqa: BLE001 - the new state still counts; the defect is counted
                self._report(_DIFF, update, error)
                complete = False
        for listener in self._listeners:
            try:
                listener.handle(update)
            except Exception as error:  # noqa: BLE001 - a defect of one listener must not affect the others; it is counted
                self._report(listener.name, update, error)
                complete = False
        return complete

    def _report(self, name: str, update: Update, error: Exception) -> None:
        self._crashed()
        # A defect may be met with every poll.
        if (suppressed := self._limit.allow(name)) is not None:
            _log.error(
                "a change could not be processed",
                listener=name,
                update=type(update).__name__,
                organization=update.organization,
                suppressed_lines=suppressed or None,
                exc_info=error,
            )


class ExpositionListener:
    """Renders changed users before the next scrape: some at a time, and the rest at the end of a sweep."""

    name = "exposition"

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def handle(self, update: Update) -> None:
        """Record a change, or drop rendered series. Scrapes show what is in the store in either case."""
        match update:
            case Changed():
                self._exposition.prepare(update.organization, update.after)
            case Swept():
                # There may be no scrapes, and the first one should not have to render the results of a whole sweep.
                self._exposition.prepare_all()
            case UsersRemoved():
                self._exposition.forget(update.organization, update.user_ids)
            case OrganizationRemoved():
                self._exposition.forget(update.organization)
            case _:
                pass


class StorageListener:
    """Passes all updates to the writer of the state file."""

    name = "storage"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def handle(self, update: Update) -> None:
        """Queue the update for the writer."""
        match update:
            case Changed():
                # Together: after a crash in between, the next run would find the same changes again.
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
        """Record the events; drop those of a removed organization."""
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
        """Drop the series. What is counted for the organization later is ignored."""
        if isinstance(update, OrganizationRemoved):
            self._telemetry.forget(update.organization)


class ReplicaListener:
    """Passes all updates to the exchange with other replicas."""

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
                pass  # each process finds the expiry of its own token
