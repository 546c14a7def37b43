"""The state file's tables: values as rows and back, the schema and its migrations.

Nothing in the rows is secret: the platform lists tokens without their secrets.
"""

from __future__ import annotations

import math
import sqlite3
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from exporter.model.event import Change, Event
from exporter.model.kept_alert import KeptAlert
from exporter.model.snapshot import OrganizationView, Sweep
from exporter.model.state import UserState
from exporter.state.audit import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.model.token import Token
    from exporter.model.user import UserKey
    from exporter.state.pending import Pending

T = TypeVar("T")
_log = structlog.get_logger(__name__)
SCHEMA = 3
"""The version of the tables below; a file with a higher one was written by a newer exporter.

1 had no events; 2 kept alerts without their annotations. Files of both keep their data.
"""
_TABLES = """
CREATE TABLE IF NOT EXISTS users (
    organization TEXT NOT NULL, user_id TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (organization, user_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS organizations (name TEXT PRIMARY KEY, sweep BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS own_tokens (name TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (labels BLOB PRIMARY KEY, starts_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_alerts (number INTEGER PRIMARY KEY, alert BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS last_events (
    organization TEXT NOT NULL, change TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (organization, change)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS unreadable (number INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, content BLOB);
"""
OURS = 0x79786578
"""Says in the file's header whose it is ("yxex")."""
_FIRST_TABLES = {"users", "organizations", "alerts"}
_UNREADABLE_KEPT = 1000
_STATE = msgspec.msgpack.Decoder(UserState)
_SWEEP = msgspec.msgpack.Decoder(Sweep)
_EVENT = msgspec.msgpack.Decoder(Event)
_ALERT = msgspec.msgpack.Decoder(KeptAlert)
_LABELS = msgspec.msgpack.Decoder(tuple[tuple[str, str], ...])
_encode = msgspec.msgpack.Encoder().encode


class ForeignFileError(Exception):
    """The file must not be written: it belongs to a newer exporter or to another program."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that could not be read.

    Attributes:
        table: where it stands.
        key: the values of its primary key, as stored.
        content: its blob, to be set aside.
    """

    table: str
    key: tuple[Any, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """What a state file holds.

    Attributes:
        organizations: what was known, by name.
        alerts: the alerts that were kept.
        events: what polls found changed, oldest first.
        last_events: when each change was last found, in epoch seconds, by organization and change.
        unreadable: the rows that could not be read.
    """

    organizations: Mapping[str, OrganizationView] = field(default_factory=dict)
    alerts: tuple[KeptAlert, ...] = ()
    events: tuple[Event, ...] = ()
    last_events: Mapping[tuple[str, Change], float] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()


def check(connection: sqlite3.Connection) -> None:
    """Make sure that a file is empty, or the exporter's own and sound.

    Raises:
        ForeignFileError: another program's file, or that of a newer exporter.
        sqlite3.DatabaseError: the file is damaged.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    tables = _tables(connection)
    # Files of the first releases do not say whose they are.
    if owner not in {0, OURS} or (owner == 0 and tables and not tables >= _FIRST_TABLES):
        raise ForeignFileError("is another program's")
    if version > SCHEMA:
        raise ForeignFileError(f"is of a newer version (schema {version})")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check found damage")


def make_tables(connection: sqlite3.Connection) -> None:
    """Bring a checked file to today's schema."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA application_id = {OURS}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.commit()


def read(connection: sqlite3.Connection) -> Restored:
    """All that a checked file holds, without writing to it. A row that cannot be read costs that row only."""
    reader = _Reader(connection)
    return Restored(
        organizations=reader.organizations(),
        alerts=tuple(reader.alerts()),
        events=tuple(reader.events()),
        last_events=dict(reader.last_events()),
        unreadable=tuple(reader.unreadable),
    )


def set_aside(connection: sqlite3.Connection, rows: Iterable[Unreadable]) -> None:
    """Move rows that cannot be read out of the way, so that the next start does not meet them again."""
    for row in rows:
        connection.execute("INSERT INTO unreadable (origin, content) VALUES (?, ?)", (row.table, row.content))
        # Compared as bytes: the damage may be in the key, which then is no text.
        columns = _KEYS[row.table]
        where = " AND ".join(f"CAST({column} AS BLOB) IS CAST(? AS BLOB)" for column in columns)
        connection.execute(f"DELETE FROM {row.table} WHERE {where}", row.key)  # noqa: S608 - names of the table above
    connection.execute(
        "DELETE FROM unreadable WHERE number <= (SELECT max(number) FROM unreadable) - ?", (_UNREADABLE_KEPT,)
    )


def write(connection: sqlite3.Connection, batch: Pending, failed: Callable[[], None]) -> None:
    """Write a batch; the caller's transaction makes it all or nothing.

    Args:
        connection: a prepared file, in a transaction.
        batch: what to write.
        failed: called for each user whose state cannot be encoded; that user is left out.
    """
    for organization in batch.removed:
        _remove_organization(connection, organization)
    connection.executemany(
        "DELETE FROM users WHERE organization = ? AND user_id = ?",
        [key for key, state in batch.users.items() if state is None],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO users VALUES (?, ?, ?)",
        _user_rows(batch.users, failed),
    )
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
    if batch.alerts is not None:
        connection.execute("DELETE FROM kept_alerts")
        connection.execute("DELETE FROM alerts")
        connection.executemany(
            "INSERT INTO kept_alerts (alert) VALUES (?)", [(_encode(alert),) for alert in batch.alerts]
        )
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
            user_id.encode()
            yield organization, user_id, _encode(state)
        except (TypeError, ValueError, OverflowError):
            # One state that has no form on disk must not keep all others from being written, again and again.
            failed()
            _log.exception("the state of a user cannot be written", organization=organization)


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
    """The rows of a query with text as bytes: SQLite does not check that text is UTF-8, and Python would raise."""
    cursor = connection.cursor()
    before, connection.text_factory = connection.text_factory, bytes
    try:
        yield from cursor.execute(query)
    finally:
        connection.text_factory = before


def _text(value: object) -> str:
    """A column's text.

    Raises:
        ValueError: it is not text, or not UTF-8.
    """
    if not isinstance(value, bytes):
        raise ValueError("not text")  # noqa: TRY004 - one error for all that is wrong with a row
    return value.decode("utf-8")


def _decoded(decoder: msgspec.msgpack.Decoder[T], blob: object) -> T | None:
    """What a blob holds; None if it cannot be read."""
    try:
        return decoder.decode(blob)  # type: ignore[arg-type]
    # A flipped byte can hit the structure, a type, or a text's encoding.
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return None


class _Reader:
    """Reads the tables of one file and collects the rows that cannot be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tables = _tables(connection)
        self.unreadable: list[Unreadable] = []

    def organizations(self) -> dict[str, OrganizationView]:
        users: dict[str, list[UserState]] = {}
        for name, user_id, blob in self._select("users", "organization", "user_id", "state"):
            state = _decoded(_STATE, blob)
            if state is None or not _sound(state) or not _is(user_id, state.user.user_id) or not _is_text(name):
                self._bad("users", (name, user_id), blob)
            else:
                users.setdefault(_text(name), []).append(_shared(state))
        sweeps: dict[str, Sweep | None] = dict.fromkeys(users)
        for name, blob in self._select("organizations", "name", "sweep"):
            sweep = _decoded(_SWEEP, blob)
            if sweep is None or not _is_text(name):
                self._bad("organizations", (name,), blob)
            else:
                sweeps[_text(name)] = sweep
        own: dict[str, float] = {}
        for name, expires_at in self._select("own_tokens", "name", "expires_at"):
            if not _is_text(name) or not isinstance(expires_at, float) or math.isnan(expires_at):
                self._bad("own_tokens", (name,), b"")
            else:
                own[_text(name)] = expires_at
        # An organization that is known by its own token alone is listed too, or it could never be removed.
        return {
            name: OrganizationView(name, tuple(users.get(name, ())), sweep, since=0.0, own_expiry=own.get(name))
            for name, sweep in (dict.fromkeys(own) | sweeps).items()
        }

    def alerts(self) -> Iterator[KeptAlert]:
        for number, blob in self._select("kept_alerts", "number", "alert"):
            alert = _decoded(_ALERT, blob)
            if alert is None or math.isnan(alert.starts_at):
                self._bad("kept_alerts", (number,), blob)
            else:
                yield alert
        # Of schema 2.
        for blob, starts_at in self._select("alerts", "labels", "starts_at"):
            labels = _decoded(_LABELS, blob)
            if labels is None or not isinstance(starts_at, float) or math.isnan(starts_at):
                self._bad("alerts", (blob,), blob)
            else:
                yield KeptAlert(labels, (), starts_at)

    def events(self) -> Iterator[Event]:
        for number, blob in self._select("events", "number", "event"):
            event = _decoded(_EVENT, blob)
            if event is None or math.isnan(event.time):
                self._bad("events", (number,), blob)
            else:
                yield event

    def last_events(self) -> Iterator[tuple[tuple[str, Change], float]]:
        for name, change, at in self._select("last_events", "organization", "change", "at"):
            try:
                key = _text(name), Change(_text(change))
            except ValueError:
                self._bad("last_events", (name, change), b"")
                continue
            if not isinstance(at, float) or math.isnan(at):
                self._bad("last_events", (name, change), b"")
            else:
                yield key, at

    def _select(self, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        if table in self._tables:
            order = " ORDER BY number" if "number" in columns else ""
            yield from _rows(self._connection, f"SELECT {', '.join(columns)} FROM {table}{order}")  # noqa: S608

    def _bad(self, table: str, key: tuple[Any, ...], content: object) -> None:
        self.unreadable.append(Unreadable(table, key, content if isinstance(content, bytes) else b""))


def _is_text(value: object) -> bool:
    try:
        _text(value)
    except ValueError:
        return False
    return True


def _is(value: object, text: str) -> bool:
    return isinstance(value, bytes) and value == text.encode("utf-8", "surrogatepass")


def _sound(state: UserState) -> bool:
    """Whether all times of a state are numbers: one that is none compares with nothing and would never expire."""
    times = [state.last_success, state.failing_since]
    for token in state.tokens:
        times += (token.created_at, token.expires_at)
    return not any(time is not None and math.isnan(time) for time in times)


def _shared(state: UserState) -> UserState:
    """The state with names that many tokens have in common kept once, as after a poll."""
    return replace(state, tokens=tuple(_shared_token(token) for token in state.tokens))


def _shared_token(token: Token) -> Token:
    names = tuple(sys.intern(name) for name in token.permissions)
    return replace(token, name=sys.intern(token.name), permissions=names)
