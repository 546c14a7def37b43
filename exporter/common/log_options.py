"""Levels and formats of the log, apart from the libraries that write it, so that `--version` does not load those."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Format(StrEnum):
    """The format of a log line."""

    LOGFMT = "logfmt"
    JSON = "json"
