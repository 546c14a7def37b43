from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.model.token import NEVER
from exporter.report import spreadsheet
from exporter.report.spreadsheet import Sheet, Time, write_csv, write_workbook

if TYPE_CHECKING:
    from exporter.report.spreadsheet import Cell

FORMULA = "=cmd|' /C calc'!A0"


def workbook(*sheets: Sheet) -> openpyxl.Workbook:
    stream = io.BytesIO()
    write_workbook(sheets, stream, lambda text: text.replace("s3cret", "[redacted]"))
    stream.seek(0)
    return openpyxl.load_workbook(stream)


def cells(*row: Cell) -> list[object]:
    book = workbook(Sheet("tokens", [f"c{number}" for number in range(len(row))], [row]))
    (sheet,) = book.worksheets
    return [cell.value for cell in sheet[2]]


def test_a_workbook_has_typed_values() -> None:
    row = ("ci", 7, 1.5, True, Time(NOW), Time(NEVER), Time(None), None, ("a", "b"))
    assert cells(*row) == ["ci", 7, 1.5, True, datetime(2026, 6, 1), None, None, None, "a b"]  # noqa: DTZ001 - Excel's dates have no zone


def test_the_headings_stay_in_view_and_have_filters() -> None:
    (sheet,) = workbook(Sheet("tokens", ["user", "token"], [("li", "ci")])).worksheets
    assert [cell.value for cell in sheet[1]] == ["user", "token"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.title) == ("A2", "A1:B2", "tokens")


def test_no_text_is_a_formula_or_a_link() -> None:
    book = workbook(Sheet("tokens", ["a", "b", "c"], [(FORMULA, "http://evil.example", "mailto:x@y")]))
    assert [cell.data_type for cell in book.worksheets[0][2]] == ["s", "s", "s"]
    assert [cell.value for cell in book.worksheets[0][2]] == [FORMULA, "http://evil.example", "mailto:x@y"]
    assert [cell.hyperlink for cell in book.worksheets[0][2]] == [None, None, None]


def test_secrets_and_control_characters_are_removed() -> None:
    assert cells("a s3cret\x1b[31m\ufffe", "x" * 40_000) == ["a [redacted]\ufffd[31m\ufffd", "x" * 32_767]


def test_a_long_table_goes_on_in_a_further_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "_ROWS", 2)
    book = workbook(Sheet("n" * 40, ["n"], [(1,), (2,), (3,)]), Sheet("empty", ["n"], []))
    assert [(sheet.title, sheet.max_row) for sheet in book.worksheets] == [
        ("n" * 31, 3),
        ("n" * 27 + " (2)", 2),
        ("empty", 1),
    ]


def test_what_cannot_be_written_is_an_error_of_the_system() -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left on device"):  # noqa: PTH123 - a device
        write_workbook([Sheet("x", ["a"], [("b",)])], full, lambda text: text)


@given(st.text(max_size=40))
def test_any_text_can_be_read_back(text: str) -> None:
    (value,) = cells(text or "x")
    assert isinstance(value, str)


def test_csv_has_times_and_lists_as_text() -> None:
    stream = io.StringIO()
    write_csv(Sheet("x", ["a", "b"], [(Time(NOW), ("r", "w")), (Time(NEVER), FORMULA), (None, -5)]), stream)
    assert stream.getvalue().split("\r\n") == ["a,b", "2026-06-01T00:00:00Z,r w", f",'{FORMULA}", ",-5", ""]
