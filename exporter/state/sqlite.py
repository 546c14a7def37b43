"""The tables of the state file: the schema, and values to rows and back.

The rows hold no secrets: the platform lists tokens without them.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from exporter.model.event import Change, Event
from exporter.model.kept_alert import KeptAlert
from exporter.model.snapshot import OrganizationView, Sweep
from exporter.model.state import is_sound
from exporter.model.times import is_time
from exporter.state import alert_rows
from exporter.state.audit import KEPT
from exporter.state.user_row import UserRows, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.model.state import UserState
    from exporter.model.user import UserKey
    from exporter.state.pending import Pending

T = TypeVar("T")
_log = structlog.get_logger(__name__)
SCHEMA = 6
"""The version of the tables below; a file with a higher version was written by a newer exporter.

Version 1 had no events; version 2 kept alerts without annotations; version 3 kept users' states, and version 4 kept
alerts, with the names of all fields; version 5 compressed users' states without a dictionary. The data of such
files is kept.
A field that is added to a value inside a row, with a default, needs no new version: older exporters ignore it.
"""
_TABLES = """
CREATE TABLE IF NOT EXISTS users (
    organization TEXT NOT NULL, user_id TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (organization, user_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS organizations (name TEXT PRIMARY KEY, sweep BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS own_tokens (name TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (labels BLOB PRIMARY KEY, starts_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_alerts (number INTEGER PRIMARY KEY, alert BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alert_dictionaries (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS last_events (
    organization TEXT NOT NULL, change TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (organization, change)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS unreadable (number INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, content BLOB);
"""
OURS = 0x79786578
"""The application id in the file's header ("yxex")."""
_SHORT_ROWS = 4
"""The first version with users' rows in their present form."""
_FIRST_TABLES = {"users", "organizations", "alerts"}
_UNREADABLE_KEPT = 1000
_FEW_PAGES = 1000
"""Unused pages, of 4 KiB, that are always kept for later rows."""
_SWEEP = msgspec.msgpack.Decoder(Sweep)
_EVENT = msgspec.msgpack.Decoder(Event)
_LABELS = msgspec.msgpack.Decoder(tuple[tuple[str, str], ...])
_encode = msgspec.msgpack.Encoder().encode


class ForeignFileError(Exception):
    """The file must not be written: it belongs to a newer exporter or to another program."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that could not be read.

    Attributes:
        table: the table it is in.
        key: the values of its primary key, as stored.
        content: its blob, which is kept in the table `unreadable`.
    """

    table: str
    key: tuple[Any, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """The content of a state file.

    Attributes:
        organizations: their states, by name.
        alerts: the alerts that were kept.
        events: the events that polls found, oldest first.
        last_events: when each change was last found, in epoch seconds, by organization and change.
        unreadable: the rows that could not be read.
        outdated: whether rows of users have the form of an older exporter.
    """

    organizations: Mapping[str, OrganizationView] = field(default_factory=dict)
    alerts: tuple[KeptAlert, ...] = ()
    events: tuple[Event, ...] = ()
    last_events: Mapping[tuple[str, Change], float] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()
    outdated: bool = False


def check(connection: sqlite3.Connection) -> None:
    """Check that a file is empty, or an undamaged file of this exporter.

    Raises:
        ForeignFileError: it belongs to another program or a newer exporter.
        sqlite3.DatabaseError: the file is damaged.
    """
    version = _number(connection, "user_version")
    owner = _number(connection, "application_id")
    tables = _tables(connection)
    # Files of the first releases have no application id.
    if owner not in {0, OURS} or (owner == 0 and tables and not tables >= _FIRST_TABLES):
        raise ForeignFileError("is another program's")
    if version > SCHEMA:
        raise ForeignFileError(f"is of a newer version (schema {version})")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check found damage")


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether a checked file contains more than nothing."""
    return bool(_tables(connection))


def make_tables(connection: sqlite3.Connection) -> None:
    """Create the tables that a checked file lacks."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA application_id = {OURS}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.commit()


def is_sparse(connection: sqlite3.Connection) -> bool:
    """Whether more than half of a file is unused space, and that space is worth the work of freeing it."""
    pages, unused = _number(connection, "page_count"), _number(connection, "freelist_count")
    return unused > _FEW_PAGES and unused * 2 > pages


def read(connection: sqlite3.Connection) -> Restored:
    """Read a checked file without writing to it. Unreadable rows are listed, and all others are read."""
    reader = _Reader(connection)
    return Restored(
        organizations=reader.organizations(),
        alerts=tuple(reader.alerts()),
        events=tuple(reader.events()),
        last_events=dict(reader.last_events()),
        unreadable=tuple(reader.unreadable),
        outdated=_number(connection, "user_version") < _SHORT_ROWS,
    )


def set_aside(connection: sqlite3.Connection, rows: Sequence[Unreadable]) -> None:
    """Move rows that cannot be read out of the way, so that the next start does not meet them again."""
    connection.executemany(
        "INSERT INTO unreadable (origin, content) VALUES (?, ?)",
        [(row.table, row.content) for row in rows[-_UNREADABLE_KEPT:]],
    )
    connection.execute(
        "DELETE FROM unreadable WHERE number <= (SELECT max(number) FROM unreadable) - ?", (_UNREADABLE_KEPT,)
    )
    keys: dict[str, set[tuple[Any, ...]]] = {}
    for row in rows:
        keys.setdefault(row.table, set()).add(_as_bytes(connection, row.key))
    for table, unreadable in keys.items():
        _delete(connection, table, unreadable)


def _delete(connection: sqlite3.Connection, table: str, keys: set[tuple[Any, ...]]) -> None:
    """Delete rows by their keys as bytes: the damage may be in the key, which then is no text.

    All in one pass over the table. No index serves such keys, and there may be as many of them as rows.
    """
    columns = _KEYS[table]
    connection.create_function("is_unreadable", len(columns), lambda *key: key in keys)
    key = ", ".join(f"CAST({column} AS BLOB)" for column in columns)
    connection.execute(f"DELETE FROM {table} WHERE is_unreadable({key})")  # noqa: S608 - names of the table above


def _as_bytes(connection: sqlite3.Connection, key: Sequence[Any]) -> tuple[Any, ...]:
    """The values of a key as SQLite casts them."""
    casts = ", ".join(["CAST(? AS BLOB)"] * len(key))
    found: tuple[Any, ...] = connection.execute(f"SELECT {casts}", key).fetchone()
    return found


def write(connection: sqlite3.Connection, batch: Pending, failed: Callable[[], None]) -> None:
    """Write a batch in the caller's transaction.

    Args:
        connection: a prepared file, in a transaction.
        batch: what to write.
        failed: called for each user whose state cannot be encoded; that user is skipped.
    """
    for organization in batch.removed:
        _remove_organization(connection, organization)
    _write_users(connection, batch.users, failed)
    _write_organizations(connection, batch)
    alert_rows.write(connection, batch)
    _write_events(connection, batch)


def _write_users(
    connection: sqlite3.Connection, users: Mapping[UserKey, UserState | None], failed: Callable[[], None]
) -> None:
    connection.executemany(
        "DELETE FROM users WHERE organization = ? AND user_id = ?",
        # An id that cannot be encoded has no row.
        [key for key, state in users.items() if state is None and _has_form(key[1])],
    )
    connection.executemany("INSERT OR REPLACE INTO users VALUES (?, ?, ?)", _user_rows(users, failed))


def _write_organizations(connection: sqlite3.Connection, batch: Pending) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO organizations VALUES (?, ?)",
        [(name, _encode(sweep)) for name, sweep in batch.sweeps.items()],
    )
    connection.executemany(
        "DELETE FROM own_tokens WHERE name = ?", [(name,) for name, at in batch.own_tokens.items() if at is None]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO own_tokens VALUES (?, ?)",
        [(name, at) for name, at in batch.own_tokens.items() if at is not None],
    )


def _write_events(connection: sqlite3.Connection, batch: Pending) -> None:
    connection.executemany("INSERT INTO events (event) VALUES (?)", [(_encode(event),) for event in batch.events])
    connection.executemany(
        "INSERT OR REPLACE INTO last_events VALUES (?, ?, ?)",
        [(name, change.value, at) for (name, change), at in batch.last_events.items()],
    )
    connection.execute("DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?", (KEPT,))


_KEYS = {
    "users": ("organization", "user_id"),
    "organizations": ("name",),
    "own_tokens": ("name",),
    "alerts": ("labels",),
    "kept_alerts": ("number",),
    "last_events": ("organization", "change"),
    "events": ("number",),
}
"""The tables that are read, and the columns that identify a row."""


def _user_rows(
    users: Mapping[UserKey, UserState | None], failed: Callable[[], None]
) -> Iterator[tuple[str, str, bytes]]:
    for (organization, user_id), state in users.items():
        if state is None:
            continue
        try:
            yield organization, user_id, encoded(organization, state)
        except (TypeError, ValueError, OverflowError):
            # One state that cannot be encoded must not prevent all others from being written.
            failed()
            _log.exception("the state of a user cannot be written", organization=organization)


def _has_form(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (number,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _remove_organization(connection: sqlite3.Connection, organization: str) -> None:
    for table in ("users", "last_events"):
        connection.execute(f"DELETE FROM {table} WHERE organization = ?", (organization,))  # noqa: S608
    for table in ("organizations", "own_tokens"):
        connection.execute(f"DELETE FROM {table} WHERE name = ?", (organization,))  # noqa: S608
    rows = list(_rows(connection, "SELECT number, event FROM events"))
    gone = [
        (number,) for number, blob in rows if (event := _decoded(_EVENT, blob)) and event.organization == organization
    ]
    connection.executemany("DELETE FROM events WHERE number = ?", gone)


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with text as bytes: SQLite does not ensure that text is UTF-8, and Python would raise."""
    cursor = connection.cursor()
    before, connection.text_factory = connection.text_factory, bytes
    try:
        yield from cursor.execute(query)
    finally:
        connection.text_factory = before


def _text(value: object) -> str:
    """The text in a column.

    Raises:
        ValueError: it is not text or not UTF-8.
    """
    if not isinstance(value, bytes):
        raise ValueError("not text")  # noqa: TRY004 - one exception for everything wrong with a row
    return value.decode("utf-8")


def _decoded(decoder: msgspec.msgpack.Decoder[T], blob: object) -> T | None:
    """The value in a blob; None if it cannot be decoded."""
    try:
        return decoder.decode(blob)  # type: ignore[arg-type]
    # A flipped bit can damage the structure, a type, or the encoding of text.
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return None


class _Reader:
    """Reads the tables of one file and collects unreadable rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tables = _tables(connection)
        self.unreadable: list[Unreadable] = []

    def organizations(self) -> dict[str, OrganizationView]:
        users, sweeps, own_tokens = self._users(), self._sweeps(), self._own_tokens()
        # Organizations with nothing but an own token are listed too, or they could never be removed.
        return {
            name: OrganizationView(
                name, tuple(users.get(name, ())), sweeps.get(name), since=0.0, own_expiry=own_tokens.get(name)
            )
            for name in own_tokens | users | sweeps
        }

    def _users(self) -> dict[str, list[UserState]]:
        rows = UserRows()
        users: dict[str, list[UserState]] = {}
        for name, user_id, blob in self._select("users", "organization", "user_id", "state"):
            try:
                organization = _text(name)
                state = rows.read(organization, _text(user_id), blob)
            except ValueError:
                state = None
            if state is None or not is_sound(state):
                self._skip("users", (name, user_id), blob)
            else:
                users.setdefault(organization, []).append(state)
        return users

    def _sweeps(self) -> dict[str, Sweep]:
        sweeps: dict[str, Sweep] = {}
        for name, blob in self._select("organizations", "name", "sweep"):
            sweep = _decoded(_SWEEP, blob)
            if sweep is None or not sweep.sound or not _is_text(name):
                self._skip("organizations", (name,), blob)
            else:
                sweeps[_text(name)] = sweep
        return sweeps

    def _own_tokens(self) -> dict[str, float]:
        own_tokens: dict[str, float] = {}
        for name, expires_at in self._select("own_tokens", "name", "expires_at"):
            if not _is_text(name) or not isinstance(expires_at, float) or math.isnan(expires_at):
                self._skip("own_tokens", (name,), b"")
            else:
                own_tokens[_text(name)] = expires_at
        return own_tokens

    def alerts(self) -> Iterator[KeptAlert]:
        dictionaries = {
            number: content
            for number, content in self._select("alert_dictionaries", "number", "content")
            if isinstance(content, bytes)
        }
        rows = alert_rows.AlertRows(dictionaries)
        for number, blob in self._select("kept_alerts", "number", "alert"):
            alert = rows.read(blob)
            if alert is None or not is_time(alert.starts_at) or not is_time(alert.ends_at or 0.0):
                self._skip("kept_alerts", (number,), blob)
            else:
                yield alert
        # Alerts of schema version 2.
        for blob, starts_at in self._select("alerts", "labels", "starts_at"):
            labels = _decoded(_LABELS, blob)
            if labels is None or not isinstance(starts_at, float) or not is_time(starts_at):
                self._skip("alerts", (blob,), blob)
            else:
                yield KeptAlert(labels, (), starts_at)

    def events(self) -> Iterator[Event]:
        for number, blob in self._select("events", "number", "event"):
            event = _decoded(_EVENT, blob)
            if event is None or not is_time(event.time):
                self._skip("events", (number,), blob)
            else:
                yield event

    def last_events(self) -> Iterator[tuple[tuple[str, Change], float]]:
        for name, change, at in self._select("last_events", "organization", "change", "at"):
            try:
                key = _text(name), Change(_text(change))
            except ValueError:
                self._skip("last_events", (name, change), b"")
                continue
            if not isinstance(at, float) or not is_time(at):
                self._skip("last_events", (name, change), b"")
            else:
                yield key, at

    def _select(self, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        if table in self._tables:
            order = " ORDER BY number" if "number" in columns else ""
            yield from _rows(self._connection, f"SELECT {', '.join(columns)} FROM {table}{order}")  # noqa: S608

    def _skip(self, table: str, key: tuple[Any, ...], content: object) -> None:
        self.unreadable.append(Unreadable(table, key, content if isinstance(content, bytes) else b""))


def _is_text(value: object) -> bool:
    try:
        _text(value)
    except ValueError:
        return False
    return True
