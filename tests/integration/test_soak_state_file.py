"""The search for secrets in a state file."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from support.builders import NOW, a_state, a_token, a_user

from exporter.model.kept_alert import KeptAlert, KeptChanges
from exporter.state import alert_rows
from exporter.state.pending import Pending
from exporter.state.sqlite import make_tables
from exporter.state.user_row import encoded
from soak.state_file import rows

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("tokens", [0, 1, 50])
def test_the_rows_of_a_state_file_are_readable(tmp_path: Path, tokens: int) -> None:
    state = a_state(*(a_token(f"pt-{number}", name="name-to-find") for number in range(tokens)), user=a_user())
    row = encoded("acme", state)
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("CREATE TABLE users (state BLOB)")
        connection.execute("INSERT INTO users VALUES (?)", (row,))
    (found,) = rows(tmp_path / "state.db")
    assert found.count(b"name-to-find") == tokens
    assert b"li.wei" in found


def test_the_alerts_of_a_state_file_are_readable(tmp_path: Path) -> None:
    alerts = [
        KeptAlert((("alertname", f"A{number}"),), (("description", f"find-{number}"),), NOW) for number in range(3)
    ]
    pending = Pending()
    pending.keep_alerts(KeptChanges(tuple(alerts), complete=True))
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        make_tables(connection)
        alert_rows.write(connection, pending)
    found = b"".join(rows(tmp_path / "state.db"))
    assert all(b"find-%d" % number in found for number in range(3))
