"""Reads the users' rows of a state file without their compression, so that they can be searched."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = 6
"""Bytes of a row before its content: mark, checksum and form."""
_DEFLATED = 1


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as connection:
        yield connection


def rows(path: Path) -> Iterator[bytes]:
    """The rows of all users; those that cannot be decompressed are left out.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with opened(path) as connection:
        for (row,) in connection.execute("SELECT state FROM users"):
            with contextlib.suppress(zlib.error):
                yield _plain(row)


def _plain(row: bytes) -> bytes:
    if len(row) < _HEAD or row[_HEAD - 1] != _DEFLATED:
        return row
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(row[_HEAD:])
