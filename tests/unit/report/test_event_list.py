from __future__ import annotations

import io
import json

import openpyxl
import pytest

from exporter.report.api_records import EventRecord
from exporter.report.event_list import EventFilter, event_document
from exporter.report.formats import Output, Text

NAME = "=cmd|' /C calc'!A0"
RENEWED = EventRecord(
    *("2026-06-01T00:00:00.000Z", "acme", "renewed", "1", "li.wei", "pt-1", NAME, "token"),
    old_expiry="2026-06-01T00:00:00Z",
    new_expiry="never",
)
WIDENED = EventRecord(
    *(
        "2026-05-31T00:00:00.000Z",
        "globex",
        "permissions_widened",
        "2",
        "张三",
        "pt-2",
        "<img src=x onerror=alert(1)>",
        "token",
    ),
    added=("code_read_write",),
    old_name="a",
)


def shown(form: Output, *events: EventRecord) -> str:
    document = event_document(events, form)
    assert isinstance(document, Text)
    stream = io.StringIO()
    document.write(stream)
    return stream.getvalue()


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    first, second = shown(Output.TABLE, RENEWED, WIDENED).splitlines()[1:]
    assert first.split()[:3] == ["2026-06-01T00:00:00Z", "renewed", "acme"]
    assert first.endswith("2026-06-01T00:00:00Z -> never")
    assert second.endswith("was a +code_read_write")
    monkeypatch.delenv("COLUMNS")
    assert max(map(len, shown(Output.TABLE, RENEWED, WIDENED).splitlines())) <= 80
    assert shown(Output.TABLE) == "No events to list.\n"


def test_json_has_only_the_keys_of_the_kind() -> None:
    first, second = json.loads(shown(Output.JSON, RENEWED, WIDENED))
    assert (first["new_expiry"], "added" in first) == ("never", False)
    assert second["added"] == ["code_read_write"]


def test_spreadsheets_have_all_columns_and_no_formula() -> None:
    lines = shown(Output.CSV, RENEWED, WIDENED).splitlines()
    assert lines[0].startswith("time,organization,event,")
    assert f",'{NAME}," in lines[1]
    document = event_document([RENEWED], Output.XLSX)
    assert not isinstance(document, Text)
    stream = io.BytesIO()
    document.write(stream, lambda text: text)
    cell = openpyxl.load_workbook(stream).worksheets[0]["G2"]
    assert (cell.value, cell.data_type) == (NAME, "s")


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (EventFilter(), 2),
        (EventFilter(users=("li*",)), 1),
        (EventFilter(users=("2",)), 1),
        (EventFilter(organizations=("GLOBEX",)), 1),
        (EventFilter(changes=("renewed", "created")), 1),
        (EventFilter(changes=("renewed",), organizations=("globex",)), 0),
    ],
)
def test_filters(wanted: EventFilter, count: int) -> None:
    assert sum(map(wanted.fits, (RENEWED, WIDENED))) == count
