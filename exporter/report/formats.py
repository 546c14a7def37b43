"""Formats of the list and of the report, apart from the libraries that write them, so that `--help` loads none."""

from __future__ import annotations

from enum import StrEnum


class Output(StrEnum):
    """The format of the list of tokens."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Form(StrEnum):
    """The format of the report."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
