"""Writes the rows of alerts that are kept over a restart: only those that have changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

    from exporter.model.kept_alert import Labels
    from exporter.state.pending import Pending

_encode = msgspec.msgpack.Encoder().encode


def write(connection: sqlite3.Connection, batch: Pending) -> None:
    """Write the alerts of a batch; in place of all rows, if the batch has all alerts."""
    if batch.all_alerts:
        connection.execute("DELETE FROM kept_alerts")
        # Of schema version 2.
        connection.execute("DELETE FROM alerts")
    connection.executemany(
        "DELETE FROM kept_alerts WHERE number = ?",
        [(row_number(labels),) for labels, alert in batch.alerts.items() if alert is None],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO kept_alerts VALUES (?, ?)",
        [(row_number(labels), _encode(alert)) for labels, alert in batch.alerts.items() if alert is not None],
    )


def row_number(labels: Labels) -> int:
    """The key of an alert's row: the same in each run, and another one for other labels."""
    digest = hashlib.blake2b(_encode(labels), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
