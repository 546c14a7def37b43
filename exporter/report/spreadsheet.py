"""Tables for spreadsheets, as CSV or as an Excel workbook. No text in them can become a formula."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeAlias

from exporter.common.text import csv_cell, utc, without_control_characters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ROWS = 1_000_000
"""Rows of a sheet; Excel allows 1,048,576."""
_NAME = 31
"""Characters that Excel allows in the name of a sheet."""
_CHARACTERS = 32_767
"""Characters that Excel allows in a cell."""
_NO_XML = re.compile("[\ufffe\uffff]")
_WIDEST = 60
_MEASURED = 1000
"""Rows from which the widths of columns are computed."""


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time, in epoch seconds; None if it is unknown or never."""

    epoch: float | None


Cell: TypeAlias = "str | int | float | bool | Time | Sequence[str] | None"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table.

    Attributes:
        name: the name of the sheet, of at most 31 characters.
        columns: the headings.
        rows: the values.
    """

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Cell]]


def write_csv(sheet: Sheet, stream: TextIO) -> None:
    """Write a table as CSV: times in RFC 3339, values of a list with spaces between them."""
    writer = csv.writer(stream)
    writer.writerow(sheet.columns)
    writer.writerows([_text_cell(cell) for cell in row] for row in sheet.rows)


def _text_cell(cell: Cell) -> object:
    if isinstance(cell, Time):
        return utc(cell.epoch)
    if isinstance(cell, str):
        return csv_cell(cell)
    if cell is None or isinstance(cell, (int, float)):
        return cell
    return csv_cell(" ".join(cell))


def write_workbook(sheets: Iterable[Sheet], stream: BinaryIO, clean: Callable[[str], str]) -> None:
    """Write tables as an Excel workbook: times are dates in UTC, the headings stay in view and have filters.

    Args:
        sheets: the tables; one with too many rows goes on in a further sheet.
        stream: where to write.
        clean: removes secrets from a text.

    Raises:
        OSError: it cannot be written.
    """
    import xlsxwriter  # noqa: PLC0415 - only who wants a workbook waits for it

    # In memory, because the library would try to write on after an error of the stream.
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"})
    heading = workbook.add_format({"bold": True, "bottom": 1})
    for sheet in sheets:
        rows = list(sheet.rows)
        for begin in range(0, max(1, len(rows)), _ROWS):
            part = f" ({begin // _ROWS + 1})" if begin else ""
            page = workbook.add_worksheet(f"{sheet.name[: _NAME - len(part)]}{part}")
            page.freeze_panes(1, 0)
            page.autofilter(0, 0, min(len(rows) - begin, _ROWS), len(sheet.columns) - 1)
            for column, width in enumerate(_widths(sheet.columns, rows[:_MEASURED])):
                page.set_column(column, column, width)
            for column, name in enumerate(sheet.columns):
                page.write_string(0, column, name, heading)
            for number, row in enumerate(rows[begin : begin + _ROWS], 1):
                for column, cell in enumerate(row):
                    _write_cell(page, (number, column), cell, clean)
    try:
        workbook.close()
    except xlsxwriter.exceptions.FileCreateError as error:
        # Its temporary files, such as those of a full disk.
        raise OSError(*getattr(error.args[0], "args", ("the workbook cannot be made",))) from None
    stream.write(content.getbuffer())


def _write_cell(page: Any, place: tuple[int, int], cell: Cell, clean: Callable[[str], str]) -> None:
    """Write one value. Text is always written as text: the library would make formulas and links of some."""
    if isinstance(cell, Time):
        if utc(cell.epoch) is not None:
            # Dates of Excel have no zone.
            page.write_datetime(*place, datetime.fromtimestamp(int(cell.epoch or 0), tz=UTC).replace(tzinfo=None))
    elif isinstance(cell, bool):
        page.write_boolean(*place, cell)
    elif isinstance(cell, (int, float)):
        page.write_number(*place, cell)
    elif cell is not None:
        text = cell if isinstance(cell, str) else " ".join(cell)
        text = _NO_XML.sub("\ufffd", without_control_characters(clean(text)))
        if text:
            page.write_string(*place, text[:_CHARACTERS])


def _widths(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[int]:
    """The widths of the columns, in characters; Chinese ones count twice."""
    return [
        min(_WIDEST, 2 + max([len(name) + 3, *(_width(row[column]) for row in rows if column < len(row))]))
        for column, name in enumerate(columns)
    ]


def _width(cell: Cell) -> int:
    if isinstance(cell, Time):
        return 19
    if cell is None or isinstance(cell, (int, float)):
        return len(str(cell))
    text = cell if isinstance(cell, str) else " ".join(cell)
    return len(text) if text.isascii() else sum(1 + (char > "\u1100") for char in text)
