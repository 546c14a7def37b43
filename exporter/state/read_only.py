"""Reads a state file without changing it, also while a daemon writes it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from exporter.common.files import FileError, check_regular, unreadable
from exporter.state import sqlite
from exporter.state.sqlite import ForeignFileError

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.state.sqlite import Restored

_TIMEOUT = 5.0


def read_state(path: Path) -> Restored:
    """The content of a state file.

    Raises:
        FileError: it cannot be read, or is not the state file of an exporter.
    """
    try:
        check_regular(path.stat())
        with path.open("rb"):
            pass
    except OSError as error:
        raise unreadable(error) from None
    address = f"file:{quote(str(path.resolve()))}"
    try:
        try:
            return _read(f"{address}?mode=ro")
        except sqlite3.OperationalError:
            # The folder is read-only, so that the file with the latest changes cannot be shared.
            return _read(f"{address}?mode=ro&immutable=1")
    except ForeignFileError as error:
        raise FileError(str(error), "name the file of storage.path") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        raise FileError("is not a readable state file", "name the file of storage.path") from None


def _read(address: str) -> Restored:
    with contextlib.closing(sqlite3.connect(address, timeout=_TIMEOUT, uri=True)) as connection:
        sqlite.check(connection)
        if not sqlite.has_tables(connection):
            raise ForeignFileError("is empty")
        return sqlite.read(connection)
