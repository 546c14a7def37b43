"""Draws a table for a terminal: columns that fit its width, one line a row."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_GAP = 2
_WIDTH = 80
"""The width of a table where there is no terminal."""
_ELLIPSIS = "\u2026"

Style = tuple[str, str]
"""What precedes and follows a cell to give it a colour."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its heading.
        cells: its text, by row, on one line.
        least: the width to which it may be cut; None if it is shown in full or not at all.
        rank: the columns with the lowest ranks are shown first where not all fit.
        style: the colour of the cell of a row; None for no colour.
    """

    heading: str
    cells: Sequence[str]
    least: int | None
    rank: int
    style: Callable[[int], Style | None] | None = None

    def natural(self) -> int:
        """The width at which nothing is cut."""
        return max(_width(self.heading), max(map(_width, self.cells), default=0))


def fitted(columns: Sequence[Column], width: int | None, *, all_of_them: bool = False) -> list[tuple[Column, int]]:
    """The columns that fit a width, each with its own.

    Args:
        columns: in the order in which they are shown.
        width: of the whole table; None for columns in full.
        all_of_them: whether to show every column, even if the table becomes wider.
    """
    natural = {id(one): one.natural() for one in columns}
    if width is None:
        return [(one, natural[id(one)]) for one in columns]

    def least(one: Column) -> int:
        full = natural[id(one)]
        return full if one.least is None else min(full, max(one.least, cell_len(one.heading)))

    left = width + _GAP
    widths: dict[int, int] = {}
    for one in sorted(columns, key=lambda column: column.rank):
        if all_of_them or not widths or least(one) + _GAP <= left:
            widths[id(one)] = least(one)
            left -= least(one) + _GAP
    growing = [one for one in columns if id(one) in widths and widths[id(one)] < natural[id(one)]]
    while left > 0 and growing:
        # Step by step, so that short columns leave more room to long ones.
        share = max(1, left // len(growing))
        for one in growing:
            more = min(share, natural[id(one)] - widths[id(one)], left)
            widths[id(one)] += more
            left -= more
        growing = [one for one in growing if widths[id(one)] < natural[id(one)]]
    return [(one, widths[id(one)]) for one in columns if id(one) in widths]


def write_table(columns: Sequence[Column], stream: TextIO, *, wide: bool = False, all_of_them: bool = False) -> None:
    """Write a table with the columns that fit: `COLUMNS`, else the width of the terminal, else 80.

    Args:
        columns: in the order in which they are shown.
        stream: where to write; a terminal gets colours, unless `NO_COLOR` is set.
        wide: whether to show all columns in full, whatever the width.
        all_of_them: as for `fitted`.
    """
    terminal = stream.isatty()
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal or "COLUMNS" in os.environ else _WIDTH
    chosen = fitted(columns, None if wide else width, all_of_them=all_of_them)
    stream.writelines(f"{line}\n" for line in drawn(chosen, colour=terminal and "NO_COLOR" not in os.environ))


def drawn(columns: Sequence[tuple[Column, int]], *, colour: bool = False) -> Iterator[str]:
    """The lines of a table, without spaces at their ends."""
    if not columns:
        return
    bold: Style = ("\x1b[1m", "\x1b[0m")
    yield _line([(column.heading, width, bold if colour else None) for column, width in columns])
    for row in range(len(columns[0][0].cells)):
        yield _line(
            [
                (column.cells[row], width, column.style(row) if colour and column.style is not None else None)
                for column, width in columns
            ]
        )


def _width(text: str) -> int:
    """The columns that a text takes; a Chinese character takes two."""
    return len(text) if text.isascii() else cell_len(text)


def _line(cells: Sequence[tuple[str, int, Style | None]]) -> str:
    parts = []
    for text, width, style in cells:
        shown, length = text, _width(text)
        if length > width:
            # A wide character that is cut in half leaves a space.
            shown = set_cell_size(text, max(0, width - 1)).rstrip() + _ELLIPSIS
            length = cell_len(shown)
        padding = " " * (width - length)
        parts.append(shown + padding if style is None else f"{style[0]}{shown}{style[1]}{padding}")
    return (" " * _GAP).join(parts).rstrip()
