"""The list of tokens in each of its formats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from exporter.common.text import escaped_json, expiry_words, printable, utc
from exporter.model.token import CredentialKind, TokenState
from exporter.report.columns import EXPIRES, VALUES
from exporter.report.formats import Binary, Output, Text
from exporter.report.listing import OWNER_COLUMNS, POLICIES, list_columns, records
from exporter.report.spreadsheet import Sheet, Time, write_csv, write_workbook
from exporter.report.table import Column, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.model.snapshot import View
    from exporter.report.listing import Row
    from exporter.report.table import Style

TABLE_COLUMNS = ("kind", "organization", "user", "token", "token_id", EXPIRES, "expires_at", "permissions")
"""The columns of the table, unless others are chosen; the kind only if there are SSH keys."""
_HEADINGS = {"token_id": "TOKEN ID", "user_id": "USER ID", "expires_at": "AT", "expires_in_seconds": "SECONDS"}
_LEAST = {
    "organization": 8,
    "user": 16,
    "token": 16,
    **dict.fromkeys(("permissions", "description", "policies", *OWNER_COLUMNS), 12),
}
"""The widths to which columns may be cut."""
_RANK = ("user", "token", EXPIRES, POLICIES, "token_id", "kind", "expires_at", "permissions", "organization")
"""The most important columns of the table first."""
_RED, _YELLOW, _MAGENTA = (("\x1b[31m", "\x1b[0m"), ("\x1b[33m", "\x1b[0m"), ("\x1b[35m", "\x1b[0m"))
_STYLES = {TokenState.EXPIRED: _RED, TokenState.UNKNOWN: _YELLOW, TokenState.NEVER_EXPIRES: _MAGENTA}


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How a list is shown.

    Attributes:
        audit: whether there is a column for the policies that each token violates.
        wide: whether the table has all columns in full, whatever its width.
        columns: the columns to show, in this order; empty for those of the format.
    """

    audit: bool = False
    wide: bool = False
    columns: tuple[str, ...] = ()


def document(listed: Sequence[Row], form: Output, now: float, options: ListOptions, polled: View) -> Text | Binary:
    """The list as a document.

    Args:
        listed: the tokens.
        form: the format.
        now: epoch seconds.
        options: how it is shown.
        polled: the users that were polled, for the metrics about them.
    """
    match form:
        case Output.TABLE:
            return Text(lambda stream: _write_table(listed, now, stream, options))
        case Output.JSON:
            return Text(lambda stream: _write_json(listed, now, stream, options))
        case Output.CSV:
            return Text(lambda stream: write_csv(_sheet(listed, now, options), stream), spreadsheet=True)
        case Output.XLSX:

            def write(stream: BinaryIO, clean: Callable[[str], str]) -> None:
                write_workbook([_sheet(listed, now, options)], stream, clean)

            return Binary(write)
        case Output.ICS:
            from exporter.report.calendar import calendar  # noqa: PLC0415 - who wants a table need not wait for it

            return Text(lambda stream: stream.write(calendar(listed, now)))
        case Output.PROMETHEUS:
            from exporter.report.textfile import metrics  # noqa: PLC0415 - as above

            return Text(lambda stream: stream.writelines(metrics(listed, polled, now)))


def _write_json(listed: Sequence[Row], now: float, stream: TextIO, options: ListOptions) -> None:
    found: list[dict[str, object]] = records(listed, now)
    if options.columns:
        found = [
            {name: value for name in options.columns if (value := _value(name, record, row, now)) is not _MISSING}
            for record, row in zip(found, listed, strict=True)
        ]
    stream.writelines(map(escaped_json, json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(found)))
    stream.write("\n")


_MISSING: Any = object()


def _value(name: str, record: dict[str, object], row: Row, now: float) -> object:
    return expiry_words(row.token.expires_at, now) if name == EXPIRES else record.get(name, _MISSING)


def _sheet(listed: Sequence[Row], now: float, options: ListOptions) -> Sheet:
    columns = options.columns or list_columns(audit=options.audit)
    return Sheet("tokens", columns, [[VALUES[name](row, now) for name in columns] for row in listed])


def _write_table(listed: Sequence[Row], now: float, stream: TextIO, options: ListOptions) -> None:
    if not listed:
        stream.write("No tokens to list.\n")
        return
    columns = [_column(name, listed, now, rank) for name, rank in _ranked(listed, options)]
    write_table(columns, stream, wide=options.wide, all_of_them=bool(options.columns))


def _ranked(listed: Sequence[Row], options: ListOptions) -> Iterator[tuple[str, int]]:
    """The names of the columns to show, with their ranks."""
    names = options.columns or (
        *TABLE_COLUMNS,
        *([POLICIES] if options.audit else []),
        *(["description"] if options.wide else []),
    )
    keys = options.wide or any(row.token.kind is not CredentialKind.TOKEN for row in listed)
    several = len({row.organization for row in listed}) > 1
    for name in names:
        if name == "kind" and not keys and not options.columns:
            continue
        rank = _RANK.index(name) if name in _RANK else len(_RANK)
        # Without it, rows of several organizations mean little.
        yield name, (-1 if name == "organization" and several else rank)


def _column(name: str, listed: Sequence[Row], now: float, rank: int) -> Column:
    def style(row: int) -> Style | None:
        return _STYLES.get(listed[row].state)

    cells = [_shown(name, row, now) for row in listed]
    heading = _HEADINGS.get(name, name.upper().replace("_", " "))
    return Column(heading, cells, _LEAST.get(name), rank, style if name in {EXPIRES, "state"} else None)


def _shown(name: str, row: Row, now: float) -> str:
    if name == "expires_at":
        return utc(row.token.platform_expiry) or "-"
    cell = VALUES[name](row, now)
    if isinstance(cell, Time):
        return utc(cell.epoch) or "-"
    if cell is None:
        return "-"
    return printable(cell if isinstance(cell, str) else str(cell) if isinstance(cell, (int, float)) else " ".join(cell))
