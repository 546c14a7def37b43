from __future__ import annotations

from support.builders import DAY, NOW, a_key, a_token

from exporter.common.text import utc
from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import Owner, User
from exporter.report.columns import EXPIRES, VALUES
from exporter.report.listing import ALL_COLUMNS, records, rows
from exporter.report.spreadsheet import Time
from exporter.state.ledger import Ledger


def test_the_values_of_columns_are_those_of_the_json() -> None:
    ledger = Ledger("acme", [User("1", "li.wei", owner=Owner("li@acme.com", "Payments", "li"))])
    tokens = (a_token("soon", expires_in=DAY), a_token("never", expires_in=NEVER), a_token("odd", expires_in=None))
    ledger.succeeded("1", tokens, NOW, (a_key("501"),))
    listed = rows(View((ledger.view(),)), NOW)
    for row, record in zip(listed, records(listed, NOW), strict=True):
        for name in record:
            cell = VALUES[name](row, NOW)
            value = utc(cell.epoch) if isinstance(cell, Time) else list(cell) if isinstance(cell, tuple) else cell
            assert value == record[name], name


def test_every_column_has_a_value() -> None:
    assert {*VALUES} == {*ALL_COLUMNS, EXPIRES}
