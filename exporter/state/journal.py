"""State on disk, in SQLite, so that a restart shows no gap and resolves no alert.

One thread writes, in batches, off the path of sweeps and scrapes. Each batch is one transaction in WAL mode: whatever
kills the process loses the last batch at most and never leaves half of one. A file that cannot be used costs what
earlier runs knew and nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
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
    from exporter.model.kept_alert import KeptAlert
    from exporter.model.snapshot import OrganizationView, Sweep
    from exporter.model.state import UserState
    from exporter.model.user import UserKey

_log = structlog.get_logger(__name__)
_FLUSH_EVERY = 1.0
_STOP_TIMEOUT = 2.5


class Storage:
    """Persists changes. Pollers note them, which costs a dictionary entry; one thread writes.

    Args:
        path: the file; made if it is missing, readable by its owner alone.
        failed: called each time that something could not be read or written.
        dropped: called with the number of events that were given up because too many were waiting.
        supervisor: makes the writing thread.
    """

    def __init__(
        self, path: Path, failed: Callable[[], None], dropped: Callable[[int], None], supervisor: Supervisor
    ) -> None:
        self._file = StateFile(path, failed)
        self._failed = failed
        self._dropped = dropped
        self._restored = Restored()
        # Guards the two fields below: pollers note while the thread takes batches.
        self._lock = threading.Lock()
        self._pending = Pending()
        # Users that have a row or are about to get one: others need no removal.
        self._known: set[UserKey] = set()
        self._kept_alerts: tuple[KeptAlert, ...] = ()
        self._troubled = False
        self._worker = supervisor.worker("storage", self._step, finish=self._flush)

    @property
    def events(self) -> tuple[Event, ...]:
        """What an earlier run found changed, oldest first; empty before `load`."""
        return self._restored.events

    @property
    def last_events(self) -> Mapping[tuple[str, Change], float]:
        """When each change was last found, in epoch seconds, by organization and change; empty before `load`."""
        return self._restored.last_events

    def claim(self) -> None:
        """Take the file for this process, for as long as it lives; `load` does without a file that another has."""
        self._file.claim()

    def load(self) -> tuple[Mapping[str, OrganizationView], tuple[KeptAlert, ...]]:
        """What an earlier run left: organizations by name, and the alerts that were kept.

        Nothing is written by that: a full disk does not cost the state. What cannot be read is logged and counted.
        """
        self._take(self._file.read())
        return self._restored.organizations, self._restored.alerts

    def start(self) -> None:
        """Start to write."""
        self._worker.start()

    def stop(self) -> bool:
        """Write what waits, end the thread and release the file. Fine before `start`.

        Returns:
            True if that was done in time.
        """
        ended = self._worker.stop(_STOP_TIMEOUT)
        if ended:
            self._file.close()
        return ended

    def note(self, organization: str, state: UserState, found: Iterable[Event] = ()) -> None:
        """Write a user's state and what the poll found of changed tokens, both together."""
        with self._lock:
            self._pending.users[organization, state.user.user_id] = state
            self._pending.add_events(found)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """Write the last sweep of an organization."""
        with self._lock:
            self._pending.sweeps[organization] = sweep

    def own_token(self, organization: str, expires_at: float | None) -> None:
        """Write when the exporter's own token expires, in epoch seconds; None if that is not known any more."""
        with self._lock:
            self._pending.own_tokens[organization] = expires_at

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Remove users that are not watched any more."""
        with self._lock:
            for user_id in user_ids:
                key = (organization, user_id)
                self._pending.users.pop(key, None)
                if key in self._known:
                    self._pending.users[key] = None

    def organization_removed(self, organization: str) -> None:
        """Remove all that is known of an organization: users, sweep, own token, events."""
        with self._lock:
            self._pending.remove_organization(organization)
            self._known = {key for key in self._known if key[0] != organization}

    def keep_alerts(self, alerts: Iterable[KeptAlert]) -> None:
        """Write these alerts instead of those kept before."""
        kept = tuple(alerts)
        with self._lock:
            if kept != self._kept_alerts:
                self._pending.alerts = self._kept_alerts = kept

    def _take(self, restored: Restored) -> None:
        self._restored = restored
        with self._lock:
            for name, view in restored.organizations.items():
                self._known.update((name, state.user.user_id) for state in view.users)

    def _step(self) -> float:
        self._flush()
        return _FLUSH_EVERY

    def _flush(self) -> None:
        if self._file.waiting:
            # It was busy or another process's at the start. What it holds is older than what this run knows by now,
            # but rows of users that are gone since must be known to be removed.
            self._file.claim()
            self._take(self._file.read())
        if not self._file.prepare(self._restored):
            self._report_dropped()
            return
        batch = self._next_batch()
        if not batch:
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
        self._report_dropped()

    def _next_batch(self) -> Pending:
        with self._lock:
            batch, self._pending = self._pending, Pending()
            # Before they are written: a removal that comes meanwhile must not be passed over.
            self._known.update(key for key, state in batch.users.items() if state is not None)
            self._known.difference_update(key for key, state in batch.users.items() if state is None)
        return batch

    def _put_back(self, batch: Pending, error: Exception) -> None:
        """What could not be written waits for the next try, unless something newer has come."""
        with self._lock:
            self._known.update(key for key, state in batch.users.items() if state is None)
            self._pending.put_back(batch)
        self._failed()
        if not self._troubled:
            _log.error(
                "state cannot be written, it is kept in memory and tried again",
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
