"""What a state file contains, for a search in it."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 6
"""Bytes of a row before its content: mark, checksum and form."""
_DEFLATED = 1


def contents_of(path: Path) -> bytes:
    """All bytes of a state file and of the files beside it, and the users' rows without their compression."""
    files = b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = [row for (row,) in connection.execute("SELECT state FROM users")]
    assert rows
    return files + b"\n".join(map(_plain, rows))


def _plain(row: bytes) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(row[_HEAD:]) if row[_HEAD - 1] == _DEFLATED else row[_HEAD:]
