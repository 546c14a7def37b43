"""What is known, kept on disk in SQLite, so that a restart shows no gap and resolves no alert.

One thread writes, in batches, off the path of sweeps and scrapes. Each batch is one transaction in WAL mode: whatever
kills the process loses the last batch at most and never leaves half of one. Nothing in here is secret: the platform
lists tokens without their secrets. A file that cannot be used costs the memory of earlier runs and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from exporter.audit import KEPT
from exporter.events import Change, Event
from exporter.kept_alert import KeptAlert
from exporter.model import Token, UserState
from exporter.store import OrganizationView, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_log = structlog.get_logger(__name__)
SCHEMA = 2
"""The version of the tables below; a file with a higher one was written by a newer exporter.

1 had no events; a file of it gains the empty table and keeps the rest.
"""
_FLUSH_EVERY = 1.0
_LOCK_PATIENCE = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS users (
    organization TEXT NOT NULL, user_id TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (organization, user_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS organizations (name TEXT PRIMARY KEY, sweep BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS own_tokens (name TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (labels BLOB PRIMARY KEY, starts_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_events (
    organization TEXT NOT NULL, change TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (organization, change)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
"""
_MAGIC = b"SQLite format 3\0"
_OURS = 0x79786578
"""Says in the file's header whose it is ("yxex")."""
_FIRST_TABLES = {"users", "organizations", "alerts"}
_STATE = msgspec.msgpack.Decoder(UserState)
_SWEEP = msgspec.msgpack.Decoder(Sweep)
_EVENT = msgspec.msgpack.Decoder(Event)
_ALERT = msgspec.msgpack.Decoder(KeptAlert | tuple[tuple[str, str], ...])  # the latter: earlier releases
_encode = msgspec.msgpack.Encoder().encode


class Storage:
    """The file behind the store. Whoever polls tells it of changes, which costs a dictionary entry; a thread writes.

    Args:
        path: the file; made if it is not there, with its secrets-free content readable by its owner alone.
        failed: called each time that something could not be read or written.
    """

    def __init__(self, path: Path, failed: Callable[[], None]) -> None:
        self.path = path
        self.events: tuple[Event, ...] = ()
        """What an earlier run found changed, oldest first; there once `load` has been called."""
        self.last_events: dict[tuple[str, Change], float] = {}
        """When each change was last seen in each organization, in epoch seconds; there once `load` has been called."""
        self._failed = failed
        # Guards the fields below up to _stopping, and wakes the thread.
        self._changed = threading.Condition()
        self._users: dict[tuple[str, str], bytes | UserState | None] = {}
        self._sweeps: dict[str, Sweep | None] = {}
        self._own: dict[str, float | None] = {}
        self._alerts: tuple[KeptAlert, ...] | None = None
        self._last_alerts: tuple[KeptAlert, ...] = ()
        self._events: list[Event] = []
        self._stopping = False
        self._troubled = False
        self._usable = False
        self._busy = False
        self._elses = False
        self._claimed: int | None = None
        self._known: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    def claim(self) -> None:
        """Take the file for this process, for as long as it lives; `load` does without a file that another has."""
        try:
            self._claim()
        except OSError as error:
            self._busy = isinstance(error, BlockingIOError)
            self._elses = True
            what = "is in use by another process, give each its own" if self._busy else "cannot be locked"
            self._complain(f"the storage file {what}; this run keeps its state in memory", error=error.strerror)

    def _claim(self) -> None:
        handle = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        self._claimed, self._elses = handle, False

    def load(self) -> tuple[dict[str, OrganizationView], list[KeptAlert]]:
        """What an earlier run left: organizations by name, and the alerts that were kept.

        A database that is corrupt is moved aside; one of a newer exporter or of another program, what is no database,
        and what cannot be read are left alone. Each is said in the log, and the exporter goes on without it.
        """
        if self._elses:
            return {}, []
        try:
            return self._load()
        except _LeftAloneError as error:
            self._complain(f"the storage file {error} and left alone; this run keeps its state in memory")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "not a database" not in str(error):
                self._busy = "locked" in str(error)
                what = "is busy, it is tried again" if self._busy else "cannot be used"
                self._complain(f"the storage file {what}, this run keeps its state in memory", error=str(error))
            elif not self._is_database():
                self._complain("the storage file is no database and left alone; this run keeps its state in memory")
            else:
                self._set_aside(error)
        except OSError as error:
            self._complain("the storage file cannot be used, this run keeps its state in memory", error=error.strerror)
        return {}, []

    def _is_database(self) -> bool:
        """Whether it begins as SQLite's files do; else it may be anything, such as a token file named by mistake."""
        with self.path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{int(time.time())}")
        self._complain("the storage file is corrupt and moved aside", error=str(error), aside=str(aside))
        try:
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).replace(f"{aside}{suffix}")
            self._load()
        except (OSError, sqlite3.Error, _LeftAloneError) as second:
            self._complain("no new storage file can be made, this run keeps its state in memory", error=str(second))

    def _load(self) -> tuple[dict[str, OrganizationView], list[KeptAlert]]:
        with contextlib.closing(self._made()) as connection:
            views = self._views(connection)
            self.events = tuple(
                one for (one,) in self._rows(connection, "SELECT event FROM events ORDER BY number", _EVENT)
            )
            self.last_events = dict(self._last_events(connection))
            rows = self._rows(connection, "SELECT labels, starts_at FROM alerts", _ALERT)
            alerts = [one if isinstance(one, KeptAlert) else KeptAlert(one, (), at) for one, at in rows]
        self._usable = True
        return views, alerts

    def _made(self) -> sqlite3.Connection:
        """A connection to the file, which has its mode and tables from here on."""
        # SQLite would make the file with the process' umask; its companions take the mode of the file.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = self._connect()
        try:
            _check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA application_id = {_OURS}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.commit()
            self.path.chmod(0o600)
        except BaseException:
            connection.close()
            raise
        return connection

    def _rows(self, connection: sqlite3.Connection, query: str, decoder: msgspec.msgpack.Decoder[Any]) -> Iterator[Any]:
        """The rows of a query, the first column decoded; a row that cannot be read is counted and left out."""
        for blob, *rest in connection.execute(query):
            try:
                yield (decoder.decode(blob), *rest)
            except (msgspec.MsgspecError, TypeError):
                self._failed()

    def _last_events(self, connection: sqlite3.Connection) -> Iterator[tuple[tuple[str, Change], float]]:
        for organization, change, at in connection.execute("SELECT organization, change, at FROM last_events"):
            with contextlib.suppress(ValueError):
                yield (organization, Change(change)), at

    def _views(self, connection: sqlite3.Connection) -> dict[str, OrganizationView]:
        users: dict[str, list[UserState]] = {}
        for name, user_id, blob in connection.execute("SELECT organization, user_id, state FROM users"):
            self._known.add((name, user_id))
            try:
                users.setdefault(name, []).append(_shared(_STATE.decode(blob)))
            except (msgspec.MsgspecError, TypeError):
                # One row that cannot be read costs one user, who is simply polled again.
                self._failed()
        sweeps: dict[str, Sweep | None] = dict.fromkeys(users)
        for name, blob in connection.execute("SELECT name, sweep FROM organizations"):
            with contextlib.suppress(msgspec.MsgspecError, TypeError):
                sweeps[name] = _SWEEP.decode(blob)
        own = dict(connection.execute("SELECT name, expires_at FROM own_tokens"))
        return {
            name: OrganizationView(name, tuple(users.get(name, ())), sweep, since=0.0, own_expiry=own.get(name))
            for name, sweep in sweeps.items()
        }

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_LOCK_PATIENCE / 2)
        if self._claimed is not None:
            os.close(self._claimed)
            self._claimed = None

    def note(self, organization: str, state: UserState, found: Iterable[Event] = ()) -> None:
        """A user's state has changed, and with it what a poll found of changes of tokens. Both are written together."""
        with self._changed:
            self._users[organization, state.user.user_id] = state
            self._events.extend(found)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        with self._changed:
            self._sweeps[organization] = sweep

    def own_token(self, organization: str, expires_at: float | None) -> None:
        """The exporter's own token expires then, in epoch seconds; None if that is not known any more."""
        with self._changed:
            self._own[organization] = expires_at

    def keep_only(self, watched: Mapping[str, Iterable[str]]) -> None:
        """Forget organizations and users that are not watched any more."""
        wanted = {(name, user_id) for name, ids in watched.items() for user_id in ids}
        with self._changed:
            for key in self._known | self._users.keys():
                if key not in wanted:
                    self._users[key] = None
            for name in {name for name, _ in self._known} | self._sweeps.keys():
                if name not in watched:
                    self._sweeps[name] = None
                    self._own[name] = None

    def keep_alerts(self, kept: Iterable[KeptAlert]) -> None:
        """Write these alerts instead of those kept before."""
        alerts = tuple(kept)
        with self._changed:
            if alerts != self._last_alerts:
                self._alerts = self._last_alerts = alerts

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._stopping:
                    self._changed.wait(_FLUSH_EVERY)
                stopping = self._stopping
            self._flush()
            if stopping:
                return

    def _flush(self) -> None:
        if not self._usable and not self._prepared() and self._busy:
            return  # it waits in memory
        with self._changed:
            users, self._users = self._users, {}
            sweeps, self._sweeps = self._sweeps, {}
            own, self._own = self._own, {}
            alerts, self._alerts = self._alerts, None
            events, self._events = self._events, []
        if not self._usable or not (users or sweeps or own or events or alerts is not None):
            return
        try:
            self._make_sure()
            with contextlib.closing(self._connect()) as connection, connection:
                _write(connection, users, sweeps, own, alerts)
                _write_events(connection, events)
        except sqlite3.Error as error:
            self._put_back(users, sweeps, own, alerts, events)
            if not self._troubled:
                self._complain("state cannot be written, it is kept in memory and tried again", error=str(error))
            else:
                self._failed()
            self._troubled = True
            return
        if self._troubled:
            self._troubled = False
            _log.info("state is written again", path=str(self.path))
        for key, state in users.items():
            (self._known.discard if state is None else self._known.add)(key)

    def _prepared(self) -> bool:
        """Whether a file that was busy at the start can be used by now."""
        if self._busy:
            with contextlib.suppress(OSError, sqlite3.Error, _LeftAloneError):
                if self._elses:
                    self._claim()
                self._load()
                self._busy = False
        return self._usable

    def _make_sure(self) -> None:
        """Make the file anew if somebody has removed it: with its mode and tables, which SQLite would not give it."""
        if not self.path.exists():
            with contextlib.closing(self._made()):
                _log.warning("the storage file was removed and is made anew", path=str(self.path))

    def _put_back(
        self,
        users: dict[tuple[str, str], Any],
        sweeps: dict[str, Sweep | None],
        own: dict[str, float | None],
        alerts: tuple[KeptAlert, ...] | None,
        events: list[Event],
    ) -> None:
        """What could not be written waits for the next try, unless something newer has come."""
        with self._changed:
            self._users = users | self._users
            self._sweeps = sweeps | self._sweeps
            self._own = own | self._own
            self._alerts = alerts if self._alerts is None else self._alerts
            self._events = events + self._events

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_LOCK_PATIENCE)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _complain(self, message: str, **details: object) -> None:
        self._failed()
        _log.error(message, path=str(self.path), **details)


class _LeftAloneError(Exception):
    """The file is not for this exporter to write: a newer one's, or another program's."""


def _check(connection: sqlite3.Connection) -> None:
    """Raise unless the file is empty, or ours and whole."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    # Files of the first releases do not say whose they are.
    if owner not in {0, _OURS} or (owner == 0 and tables and not tables >= _FIRST_TABLES):
        raise _LeftAloneError("is another program's")
    if version > SCHEMA:
        raise _LeftAloneError(f"is of a newer version (schema {version})")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check found damage")


def _write(
    connection: sqlite3.Connection,
    users: Mapping[tuple[str, str], Any],
    sweeps: Mapping[str, Sweep | None],
    own: Mapping[str, float | None],
    alerts: tuple[KeptAlert, ...] | None,
) -> None:
    gone = [key for key, state in users.items() if state is None]
    kept = [(*key, _encode(state)) for key, state in users.items() if state is not None]
    connection.executemany("DELETE FROM users WHERE organization = ? AND user_id = ?", gone)
    connection.executemany("INSERT OR REPLACE INTO users VALUES (?, ?, ?)", kept)
    left = [(name,) for name, one in sweeps.items() if one is None]
    connection.executemany("DELETE FROM organizations WHERE name = ?", left)
    connection.executemany(
        "INSERT OR REPLACE INTO organizations VALUES (?, ?)",
        [(name, _encode(one)) for name, one in sweeps.items() if one is not None],
    )
    connection.executemany("DELETE FROM own_tokens WHERE name = ?", [(name,) for name, at in own.items() if at is None])
    connection.executemany(
        "INSERT OR REPLACE INTO own_tokens VALUES (?, ?)", [(name, at) for name, at in own.items() if at is not None]
    )
    if alerts is not None:
        connection.execute("DELETE FROM alerts")
        connection.executemany(
            "INSERT OR REPLACE INTO alerts VALUES (?, ?)", [(_encode(one), one.starts_at) for one in alerts]
        )


def _write_events(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    connection.executemany("INSERT INTO events (event) VALUES (?)", [(_encode(event),) for event in events[-KEPT:]])
    connection.executemany(
        "INSERT OR REPLACE INTO last_events VALUES (?, ?, ?)",
        [(event.organization, event.change.value, event.time) for event in events],
    )
    connection.execute("DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?", (KEPT,))


def _shared(state: UserState) -> UserState:
    """The state with names that many tokens have in common kept once, as after a poll."""
    return replace(state, tokens=tuple(_shared_token(token) for token in state.tokens))


def _shared_token(token: Token) -> Token:
    names = tuple(sys.intern(name) for name in token.permissions)
    return replace(token, name=sys.intern(token.name), permissions=names)
