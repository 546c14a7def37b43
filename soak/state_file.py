"""Reads the rows of a state file without their compression, so that they can be searched."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING

from exporter.state.user_row import DICTIONARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HEAD = 6
"""Bytes of a user's row before its content: mark, checksum and form."""
_DEFLATED, _WITH_DICTIONARY = 1, 2
_ALERT_HEAD = 9
"""Bytes of an alert's row before its content: mark, number of the dictionary, checksum."""
_MARK = b"\xc1"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as connection:
        yield connection


def rows(path: Path) -> Iterator[bytes]:
    """The rows of all users and alerts; those that cannot be decompressed are left out.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with opened(path) as connection:
        for (row,) in connection.execute("SELECT state FROM users"):
            with contextlib.suppress(zlib.error):
                yield _plain(row)
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alert_dictionaries'").fetchone():
            dictionaries = dict(connection.execute("SELECT number, content FROM alert_dictionaries"))
            for (row,) in connection.execute("SELECT alert FROM kept_alerts"):
                with contextlib.suppress(zlib.error):
                    yield _plain_alert(row, dictionaries)


def _plain(row: bytes) -> bytes:
    if len(row) < _HEAD or row[_HEAD - 1] not in {_DEFLATED, _WITH_DICTIONARY}:
        return row
    if row[_HEAD - 1] == _WITH_DICTIONARY:
        return zlib.decompressobj(-zlib.MAX_WBITS, zdict=DICTIONARY).decompress(row[_HEAD:])
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(row[_HEAD:])


def _plain_alert(row: bytes, dictionaries: Mapping[int, bytes]) -> bytes:
    if not row.startswith(_MARK) or len(row) < _ALERT_HEAD:
        return row
    dictionary = dictionaries.get(int.from_bytes(row[1:5], "big"), b"")
    return zlib.decompressobj(-zlib.MAX_WBITS, zdict=dictionary).decompress(row[_ALERT_HEAD:])
