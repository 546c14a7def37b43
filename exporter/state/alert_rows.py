"""Alerts that are kept over a restart, as rows of the state file: only those that have changed are written.

Most of an alert is text that many alerts have in common. So each row is compressed with a dictionary of typical alerts,
which is in the file as well. It is made again whenever all alerts are written, and as long as it was made of few.
A checksum covers the rest of a row.

Rows of schema version 4 and older are maps with the names of all fields. They are read too.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import msgspec

from exporter.model.kept_alert import KeptAlert, Labels

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.state.pending import Pending

_MARK = b"\xc1"
"""The first byte of a row. No msgpack begins with it, so rows of older exporters differ."""
_NUMBER = slice(1, 5)
_CHECKSUM = slice(5, 9)
_CONTENT = 9
"""Where the parts of a row begin: the number of the dictionary, the checksum, and the compressed content."""
_WINDOW = -14
"""A raw stream with a window of 16 KiB."""
_DICTIONARY = 15_000
"""Bytes of a dictionary at most: a longer one would not fit into the window beside a row."""
_LONGER = 2
"""How many times as long a dictionary must be to replace an older one: so a file has few."""
LONGEST = 16 * 1024 * 1024
"""Bytes of an alert that is not compressed."""
_EXAMPLES = 8
"""Alerts of one name in a dictionary at most."""
_LEVEL = 3
_MOST_SHARED = 10_000
_NO_NAME = ""


class _Row(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """An alert. Only ever append fields, with a default: their order is the format."""

    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None = None


_encode = msgspec.msgpack.Encoder().encode
_ROW = msgspec.msgpack.Decoder(_Row)
_OLD = msgspec.msgpack.Decoder(KeptAlert)
_NOT_READABLE = (
    *(msgspec.MsgspecError, zlib.error),
    *(TypeError, ValueError, LookupError, OverflowError, RecursionError),
)
"""What a flipped bit can cause: damage of the structure, of a type, or of the encoding of text."""


def write(connection: sqlite3.Connection, batch: Pending) -> None:
    """Write the alerts of a batch; in place of all rows, if the batch has all alerts."""
    if not batch.alerts and not batch.all_alerts:
        return
    found = {row_number(labels): alert for labels, alert in batch.alerts.items()}
    if batch.all_alerts:
        for table in ("kept_alerts", "alert_dictionaries", "alerts"):  # the last one is of schema version 2
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of the tuple above
    dictionary = _dictionary(connection, [alert for alert in found.values() if alert is not None])
    connection.executemany(
        "DELETE FROM kept_alerts WHERE number = ?", [(number,) for number, alert in found.items() if alert is None]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO kept_alerts VALUES (?, ?)",
        # In the order of the table, which fills its pages.
        ((number, encoded(alert, dictionary)) for number in sorted(found) if (alert := found[number]) is not None),
    )


def _dictionary(connection: sqlite3.Connection, alerts: Sequence[KeptAlert]) -> bytes:
    """The longest dictionary of the file; a new one, if one of these alerts is much longer. Rows keep theirs."""
    longest = b""
    for number, content in connection.execute(
        "SELECT number, CAST(content AS BLOB) FROM alert_dictionaries"
    ).fetchall():
        if not isinstance(content, bytes) or zlib.crc32(content) != number:
            connection.execute("DELETE FROM alert_dictionaries WHERE number = ?", (number,))
        elif len(content) > len(longest):
            longest = content
    if len(longest) * _LONGER < _DICTIONARY and len(new := dictionary_of(alerts)) > len(longest) * _LONGER:
        connection.execute("INSERT OR REPLACE INTO alert_dictionaries VALUES (?, ?)", (zlib.crc32(new), new))
        return new
    return longest


def row_number(labels: Labels) -> int:
    """The key of an alert's row: the same in each run, and different for different labels."""
    digest = hashlib.blake2b(_encode(labels), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def dictionary_of(alerts: Iterable[KeptAlert]) -> bytes:
    """A dictionary for these alerts: a few of each name, as many as fit, in turns."""
    examples: dict[str, list[bytes]] = {}
    for alert in alerts:
        of_name = examples.setdefault(dict(alert.labels).get("alertname", _NO_NAME), [])
        if len(of_name) < _EXAMPLES:
            of_name.append(_content(alert))
    chosen: list[bytes] = []
    size = 0
    for example in chain.from_iterable(zip_longest(*examples.values(), fillvalue=b"")):
        size += len(example)
        if size > _DICTIONARY:
            break
        chosen.append(example)
    # What is near the end has the shortest references.
    return b"".join(reversed(chosen))


def encoded(alert: KeptAlert, dictionary: bytes) -> bytes:
    """The row of an alert."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, zdict=dictionary)
    content = compressor.compress(_content(alert)) + compressor.flush()
    number = zlib.crc32(dictionary).to_bytes(4, "big")
    return _MARK + number + zlib.crc32(content, zlib.crc32(number)).to_bytes(4, "big") + content


class AlertRows:
    """Reads rows. Alerts share the labels and texts that they have in common, as far as that needs little memory.

    Args:
        dictionaries: the dictionaries of the file by number.
        most_shared: how many of them are kept at most.
    """

    def __init__(self, dictionaries: Mapping[int, bytes], most_shared: int = _MOST_SHARED) -> None:
        self._dictionaries = dictionaries
        self._most_shared = most_shared
        self._shared: dict[tuple[str, str], tuple[str, str]] = {}

    def read(self, row: object) -> KeptAlert | None:
        """The alert in a row; None if the row or its dictionary is damaged.

        Args:
            row: the content of the column.
        """
        try:
            if not isinstance(row, bytes):
                return None
            if row[:1] != _MARK:
                old = _OLD.decode(row)
                value = _Row(old.labels, old.annotations, old.starts_at, old.ends_at)
            elif (plain := _content_of(row, self._dictionaries)) is not None:
                value = _ROW.decode(plain)
            else:
                return None
        except _NOT_READABLE:
            return None
        return KeptAlert(self._once(value.labels), self._once(value.annotations), value.starts_at, value.ends_at)

    def _once(self, pairs: Labels) -> Labels:
        known = self._shared
        return tuple([known.get(pair) or self._add(pair) for pair in pairs])

    def _add(self, pair: tuple[str, str]) -> tuple[str, str]:
        pair = (sys.intern(pair[0]), pair[1])
        if len(self._shared) < self._most_shared:
            self._shared[pair] = pair
        return pair


def _content_of(row: bytes, dictionaries: Mapping[int, bytes]) -> bytes | None:
    """What a row contains, without the compression; None if the row or its dictionary is damaged.

    Raises:
        zlib.error: it is damaged in spite of a correct checksum.
    """
    number, content = row[_NUMBER], row[_CONTENT:]
    dictionary = dictionaries.get(int.from_bytes(number, "big"), b"")
    if zlib.crc32(dictionary).to_bytes(4, "big") != number:
        return None
    if zlib.crc32(content, zlib.crc32(number)).to_bytes(4, "big") != row[_CHECKSUM]:
        return None
    stream = zlib.decompressobj(_WINDOW, zdict=dictionary)
    plain = stream.decompress(content, LONGEST)
    # Cut off, or longer than any alert: a few bytes may stand for gigabytes.
    return plain if stream.eof else None


def _content(alert: KeptAlert) -> bytes:
    return _encode(_Row(alert.labels, alert.annotations, alert.starts_at, alert.ends_at))
