"""The state file: locked by one process, read without writing, repaired, moved aside if it is corrupt."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections import Counter
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from exporter.state import sqlite
from exporter.state.sqlite import ForeignFileError, Restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = structlog.get_logger(__name__)
_BUSY_TIMEOUT = 5.0
"""Seconds to wait while another process writes the file."""
_MAGIC = b"SQLite format 3\0"
_ASIDE_KEPT = 3
"""How many corrupt files are kept beside the new one."""


class _Phase(Enum):
    """What has been done with the file."""

    UNREAD = auto()
    """It could not be read yet: writing now could destroy its content."""
    READ = auto()
    """It has been read or does not exist, and is not prepared for writing yet."""
    READY = auto()
    FOREIGN = auto()
    """It belongs to another program or a newer exporter and is not touched."""


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Report a damaged schema as a corrupt file, which a retry would not repair.

    SQLite repeats a damaged name in its error message; if the name is not UTF-8, Python cannot decode that message.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise sqlite3.DatabaseError("the schema is damaged") from None
    except sqlite3.OperationalError as error:
        # That of SQL which does not fit the tables; what may pass, such as a busy file or a full disk, has codes.
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
        raise sqlite3.DatabaseError(f"the schema is damaged: {error}") from None


class StateFile:
    """One process's state file. One thread at a time uses it.

    Args:
        path: the file; created if it does not exist, readable by its owner only. An existing file keeps its mode.
        failed: called for each failure to read or write.
    """

    def __init__(self, path: Path, failed: Callable[[], None]) -> None:
        self.path = path
        self._failed = failed
        self._phase = _Phase.UNREAD
        self._lock: int | None = None
        self._locked_out = False
        self._unlocked = False
        self._reported = ""

    def close(self) -> None:
        """Unlock the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def claim(self) -> None:
        """Lock the file for the lifetime of this process. A file that another process has locked is not read."""
        self._locked_out = self._unlocked = False
        if self._lock is not None:
            return
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            handle = os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            # The disk is full, the file system read-only, the lock another uid's: the state can be read nevertheless.
            self._unlocked = True
            if os.path.exists(self.path):  # noqa: PTH110 - no error if the folder hides it
                self._report(
                    "the lock of the storage file cannot be opened; make sure that no other process uses the file",
                    lock=str(lock),
                    error=error.strerror,
                )
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            self._locked_out = True
            self._report(
                "another process uses the storage file; give each process its own; this run keeps its state in memory",
                error=error.strerror,
            )
            return
        self._lock = handle

    def read(self) -> Restored:
        """Read the state of an earlier run, without writing: this works with a full disk or a read-only file.

        A corrupt database is moved aside. A file of a newer exporter or another program, and a file that is not a
        database, is not touched. Each case is logged, and the exporter continues without the file.
        """
        if self._locked_out:
            return Restored()
        try:
            restored = self._read()
        except ForeignFileError as error:
            self._leave_alone(f"the storage file {error} and stays unchanged; this run keeps its state in memory")
        except sqlite3.OperationalError as error:
            # The file may be undamaged: another program uses it, or there are no file descriptors left.
            self._report(
                "the storage file cannot be read; this run keeps its state in memory and reading is retried",
                error=str(error),
            )
        except sqlite3.DatabaseError as error:
            if self._is_database():
                self._set_aside(error)
            else:
                self._leave_alone(
                    "the storage file is not a database and stays unchanged; this run keeps its state in memory"
                )
        except OSError as error:
            self._report(
                "the storage file cannot be read; this run keeps its state in memory and reading is retried",
                error=error.strerror,
            )
        else:
            self._phase = _Phase.READ
            # One line a table: what has damaged one row may have damaged all.
            for table, count in Counter(row.table for row in restored.unreadable).items():
                for _ in range(count):
                    self._failed()
                _log.error(
                    "rows of the storage file cannot be read, they are set aside",
                    path=str(self.path),
                    table=table,
                    rows=count,
                )
            return restored
        return Restored()

    def prepare(self, restored: Restored) -> bool:
        """Prepare the file for writing: create it, create missing tables, set unreadable rows aside.

        Args:
            restored: what `read` returned.

        Returns:
            True if it can be written; if not, the reason has been logged once.
        """
        if self._phase is _Phase.READY:
            return True
        if self._unlocked:
            self.claim()
        if self._phase is not _Phase.READ or self._locked_out:
            return False
        try:
            with self._prepared() as connection, connection:
                sqlite.set_aside(connection, restored.unreadable)
        except (OSError, sqlite3.Error, ForeignFileError) as error:
            before = self._reported
            self._report("state cannot be written; it is kept in memory and writing is retried", error=str(error))
            if self._reported == before:
                # Each failed attempt counts, as it does once the file is in use.
                self._failed()
            self.recover(error)
            return False
        self._phase = _Phase.READY
        self._reported = ""
        return True

    @property
    def waiting(self) -> bool:
        """Whether the file could not be read yet and may be readable later."""
        return self._phase is _Phase.UNREAD

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection to a prepared file, in one transaction.

        Raises:
            sqlite3.Error: nothing was written.
            OSError: nothing was written.
        """
        if not self.path.exists():
            # SQLite would create it with the process's umask and without tables.
            with self._prepared():
                _log.warning("the storage file was removed, a new one is made", path=str(self.path))
        with _damage(), contextlib.closing(self._connect()) as connection, connection:
            yield connection

    def shrink(self) -> None:
        """Return unused space of a prepared file to the file system, if it is most of the file.

        A failure, such as a full disk or a busy file, changes nothing; the next start tries it again.
        """
        try:
            with contextlib.closing(self._connect()) as connection:
                if sqlite.is_sparse(connection):
                    connection.execute("VACUUM")
        except sqlite3.Error as error:
            _log.info("the storage file stays larger than necessary", path=str(self.path), error=str(error))

    def recover(self, error: Exception) -> None:
        """After a write that failed: move the file aside if it has become corrupt, so that a new one is made."""
        # Not one of its subclasses: those speak of a busy file, a full disk, or of a single row.
        if type(error) is sqlite3.DatabaseError:
            self._set_aside(error)

    def _read(self) -> Restored:
        if not self.path.exists():
            if not self.path.parent.is_dir():
                raise FileNotFoundError(2, f"the folder {self.path.parent} does not exist")
            return Restored()
        if self.path.stat().st_size == 0:
            return Restored()
        with _damage(), contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT)) as connection:
            # Without shared memory beside the file, so that reading works where nothing can be written. The first
            # statement, for most others touch the file.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            sqlite.check(connection)
            return sqlite.read(connection)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file, which is created with its tables if necessary."""
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with _damage(), contextlib.closing(self._connect()) as connection:
            sqlite.check(connection)
            sqlite.make_tables(connection)
            yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _is_database(self) -> bool:
        """Whether it starts like an SQLite file; if not, it may be anything, such as a token file named by mistake."""
        try:
            with self.path.open("rb") as stream:
                return stream.read(len(_MAGIC)) == _MAGIC
        except OSError:
            return False

    def _set_aside(self, error: Exception) -> None:
        """Move a corrupt file aside; `prepare` creates a new one."""
        try:
            aside = self.path.with_name(f"{self.path.name}.corrupt-{int(self.path.stat().st_mtime)}")
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).replace(f"{aside}{suffix}")
        except OSError as second:
            self._report(
                "the storage file is corrupt and cannot be moved aside; this run keeps its state in memory",
                error=second.strerror,
            )
            self._phase = _Phase.UNREAD
            return
        self._report("the storage file is corrupt and was moved aside", error=str(error), aside=str(aside))
        self._phase = _Phase.READ
        self._delete_old_ones()

    def _delete_old_ones(self) -> None:
        """Keep the latest few corrupt files for inspection and delete the others."""
        found = [one for one in self.path.parent.glob(f"{self.path.name}.corrupt-*") if one.name[-1:].isdigit()]
        with contextlib.suppress(OSError):
            for old in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)[_ASIDE_KEPT:]:
                for suffix in ("", "-wal", "-shm"):
                    old.with_name(old.name + suffix).unlink(missing_ok=True)

    def _leave_alone(self, message: str) -> None:
        self._phase = _Phase.FOREIGN
        self._report(message)

    def _report(self, message: str, **details: object) -> None:
        """Count and log a failure once, until it changes or ends: each attempt finds it again."""
        text = f"{message} {details}"
        if text != self._reported:
            self._failed()
            _log.error(message, path=str(self.path), **details)
        self._reported = text
