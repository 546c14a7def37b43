"""The rows of alerts: only those that have changed are written."""

from __future__ import annotations

import sqlite3

import msgspec
from support.builders import NOW

from exporter.model.kept_alert import KeptAlert, KeptChanges
from exporter.state import alert_rows
from exporter.state.pending import Pending
from exporter.state.sqlite import make_tables


def an_alert(name: str, at: float = NOW) -> KeptAlert:
    return KeptAlert((("alertname", name),), (("summary", "x"),), at)


def write(connection: sqlite3.Connection, *changes: KeptChanges) -> list[KeptAlert]:
    """The alerts in the file, after one batch with these changes."""
    pending = Pending()
    for one in changes:
        pending.keep_alerts(one)
    alert_rows.write(connection, pending)
    rows = connection.execute("SELECT alert FROM kept_alerts").fetchall()
    return sorted((msgspec.msgpack.decode(row[0], type=KeptAlert) for row in rows), key=repr)


def test_changes_replace_and_remove_single_rows_and_all_alerts_replace_every_row() -> None:
    a, b, c = an_alert("a"), an_alert("b"), an_alert("张三")
    connection = sqlite3.connect(":memory:")
    make_tables(connection)
    # rows of an earlier version, numbered one after the other
    connection.execute("INSERT INTO kept_alerts (alert) VALUES (x'00')")
    assert write(connection, KeptChanges((a, b), complete=True)) == [a, b]
    later = an_alert("b", NOW + 5)
    assert write(connection, KeptChanges((later, c), (a.labels,))) == [later, c]
    assert write(connection, KeptChanges((a,)), KeptChanges((), (c.labels,))) == [a, later]
    assert write(connection, KeptChanges((a,)), KeptChanges((c,), complete=True)) == [c]
    assert write(connection) == [c]
    connection.close()


def test_the_number_of_a_row_does_not_change_from_run_to_run() -> None:
    # blake2b with 8 bytes of the MessagePack array [["alertname", "a"]]
    assert msgspec.msgpack.encode((("alertname", "a"),)) == b"\x91\x92\xa9alertname\xa1a"
    assert alert_rows.row_number((("alertname", "a"),)) == alert_rows.row_number((("alertname", "a"),))
    assert alert_rows.row_number((("alertname", "a"),)) != alert_rows.row_number((("alertname", "b"),))
