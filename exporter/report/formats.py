"""Formats of the list and of the report, apart from the libraries that write them, so that `--help` loads none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Output(StrEnum):
    """The format of the list of tokens."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    ICS = "ics"
    PROMETHEUS = "prometheus"


class Form(StrEnum):
    """The format of the report."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    XLSX = "xlsx"


class Language(StrEnum):
    """The language of the report."""

    EN = "en"
    ZH = "zh"


LIST_SUFFIXES: Mapping[str, Output] = {f".{one.value}": one for one in Output if one is not Output.TABLE} | {
    ".txt": Output.TABLE,
    ".ical": Output.ICS,
    ".prom": Output.PROMETHEUS,
}
"""The formats of the list by the suffix of a file."""
REPORT_SUFFIXES: Mapping[str, Form] = {f".{one.value}": one for one in Form} | {
    ".htm": Form.HTML,
    ".md": Form.MARKDOWN,
}
"""The formats of the report by the suffix of a file."""

F = TypeVar("F")


def format_of(file: Path | None, suffixes: Mapping[str, F], default: F) -> F:
    """The format that the name of a file asks for; the default for stdout and for a name without a suffix.

    Raises:
        ValueError: the suffix belongs to no format.
    """
    suffix = "" if file is None else file.suffix.lower()
    if not suffix:
        return default
    if suffix not in suffixes:
        known = ", ".join(sorted(suffixes))
        raise ValueError(f"the suffix {suffix} belongs to no format; name the format, or use one of {known}")
    return suffixes[suffix]


@dataclass(frozen=True, slots=True)
class Text:
    """A document of text.

    Attributes:
        write: writes it to a stream, which removes secrets.
        spreadsheet: whether a spreadsheet opens it, which needs a mark to read it as UTF-8.
    """

    write: Callable[[TextIO], object]
    spreadsheet: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """A document that is not text.

    Attributes:
        write: writes it to a stream; each text in it must pass the function given, which removes secrets.
    """

    write: Callable[[BinaryIO, Callable[[str], str]], object]
