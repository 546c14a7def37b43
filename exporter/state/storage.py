"""Persists state in SQLite, so that a restart causes no gap in metrics and resolves no alert.

One thread writes in batches, apart from sweeps and scrapes. Each batch is one transaction in WAL mode: a crash loses at
most the last batch and never leaves part of one. If the file cannot be used, the exporter keeps its state in memory.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from exporter.state import sqlite
from exporter.state.pending import Pending
from exporter.state.sqlite import Restored
from exporter.state.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from exporter.common.worker import Supervisor
    from exporter.model.event import Change, Event
    from exporter.model.kept_alert import KeptAlert, KeptChanges
    from exporter.model.snapshot import OrganizationView, Sweep
    from exporter.model.state import UserState
    from exporter.model.user import UserKey

_log = structlog.get_logger(__name__)
_FLUSH_EVERY = 1.0
_STOP_TIMEOUT = 2.5


class Storage:
    """Persists changes. Pollers record them, which only adds to a dictionary; one thread writes.

    Args:
        path: the file; created if it does not exist, readable by its owner only.
        failed: called for each failure to read or write.
        dropped: called with the number of events that were dropped because too many were waiting.
        supervisor: creates the writing thread.
    """

    def __init__(
        self, path: Path, failed: Callable[[], None], dropped: Callable[[int], None], supervisor: Supervisor
    ) -> None:
        self._file = StateFile(path, failed)
        self._failed = failed
        self._dropped = dropped
        self._restored = Restored()
        # Guards the fields below up to _known: pollers record while the thread takes batches.
        self._lock = threading.Lock()
        self._pending = Pending()
        # Ids of users that have a row or are about to get one, by organization; others need no removal.
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self._troubled = False
        self._shrunk = False
        self._patience = _STOP_TIMEOUT
        self._worker = supervisor.worker("storage", self._step, finish=self._flush)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of an earlier run, oldest first; empty before `load`."""
        return self._restored.events

    @property
    def last_events(self) -> Mapping[tuple[str, Change], float]:
        """When each change was last found, in epoch seconds, by organization and change; empty before `load`."""
        return self._restored.last_events

    def claim(self) -> None:
        """Lock the file for the lifetime of this process. `load` ignores a file that another process has locked."""
        self._file.claim()

    def load(self) -> tuple[Mapping[str, OrganizationView], tuple[KeptAlert, ...]]:
        """Read the state of an earlier run: organizations by name, and the alerts that were kept.

        Writes nothing, so that a full disk does not lose the state. What cannot be read is logged and counted.
        """
        restored = self._file.read()
        self._take(restored)
        return restored.organizations, restored.alerts

    def start(self) -> None:
        """Start the writing thread."""
        self._worker.start()

    def stop(self) -> bool:
        """Write what waits, end the thread and release the file. Fine before `start` and more than once.

        A disk that hangs is waited for once: the stop of other parts, such as giving a lock in Redis up, comes after.

        Returns:
            True if everything was written in time.
        """
        patience, self._patience = self._patience, 0.0
        ended = self._worker.stop(patience)
        if ended:
            self._file.close()
        return ended

    def record(self, organization: str, state: UserState, found: Iterable[Event] = ()) -> None:
        """Write a user's state and the events of the poll, in the same transaction."""
        with self._lock:
            self._pending.users[organization, state.user.user_id] = state
            self._pending.add_events(found)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """Write the last sweep of an organization."""
        with self._lock:
            self._pending.sweeps[organization] = sweep

    def own_token(self, organization: str, expires_at: float | None) -> None:
        """Write when the exporter's own token expires, in epoch seconds; None if it is no longer known."""
        with self._lock:
            self._pending.own_tokens[organization] = expires_at

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Remove users that are no longer watched."""
        with self._lock:
            for user_id in user_ids:
                key = (organization, user_id)
                self._pending.users.pop(key, None)
                if user_id in self._known.get(organization, ()):
                    self._pending.users[key] = None

    def organization_removed(self, organization: str) -> None:
        """Remove everything about an organization: users, sweep, own token, events."""
        with self._lock:
            self._pending.remove_organization(organization)
            self._known.pop(organization, None)

    def keep_alerts(self, changes: KeptChanges) -> None:
        """Write what has changed of the alerts to keep."""
        with self._lock:
            self._pending.keep_alerts(changes)

    def _take(self, restored: Restored) -> None:
        # Without the states and alerts: they would stay in memory for as long as the process runs.
        self._restored = replace(restored, organizations={}, alerts=())
        with self._lock:
            for name, view in restored.organizations.items():
                if name in self._pending.removed:
                    # It was removed while the file was busy: its rows are about to be deleted.
                    continue
                self._known[name].update(state.user.user_id for state in view.users)
                if restored.outdated:
                    # All rows are written again, so that the file becomes small at once.
                    states: dict[UserKey, UserState | None] = {
                        (name, state.user.user_id): state for state in view.users
                    }
                    self._pending.users = states | self._pending.users

    def _step(self) -> float:
        self._flush()
        return _FLUSH_EVERY

    def _flush(self) -> None:
        if self._file.waiting:
            # The file was busy or locked at the start. Its state is older than that of this run, but its rows must be
            # known, so that those of removed users can be deleted.
            self._file.claim()
            self._take(self._file.read())
        if not self._file.prepare(self._restored):
            self._report_dropped()
            return
        batch = self._next_batch()
        if not batch:
            self._shrink()
            return
        try:
            with self._file.transaction() as connection:
                sqlite.write(connection, batch, self._failed)
        except (sqlite3.Error, OSError) as error:
            self._put_back(batch, error)
        else:
            if self._troubled:
                self._troubled = False
                _log.info("state is written again", path=str(self._file.path))
            if batch.all_alerts:
                # These may be the last rows of an older exporter.
                self._shrunk = False
            self._shrink()
        self._report_dropped()

    def _shrink(self) -> None:
        """Free unused space after rows of an older exporter have been written again."""
        if not self._shrunk:
            self._shrunk = True
            self._file.shrink()

    def _next_batch(self) -> Pending:
        with self._lock:
            batch, self._pending = self._pending, Pending()
            # Updated before the rows are written: a removal that arrives meanwhile must not be missed.
            for (organization, user_id), state in batch.users.items():
                if state is None:
                    self._known[organization].discard(user_id)
                else:
                    self._known[organization].add(user_id)
        return batch

    def _put_back(self, batch: Pending, error: Exception) -> None:
        """Keep a batch that could not be written for the next attempt, unless newer changes have arrived."""
        with self._lock:
            for (organization, user_id), state in batch.users.items():
                if state is None:
                    self._known[organization].add(user_id)
            self._pending.put_back(batch)
        self._failed()
        if not self._troubled:
            _log.error(
                "state cannot be written; it is kept in memory and writing is retried",
                path=str(self._file.path),
                error=str(error),
            )
        self._troubled = True
        self._file.recover(error)

    def _report_dropped(self) -> None:
        with self._lock:
            dropped, self._pending.dropped = self._pending.dropped, 0
        if dropped:
            self._dropped(dropped)
