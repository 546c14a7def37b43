"""Log lines on stderr, as logfmt or JSON, for the exporter's own parts and the libraries alike."""

from __future__ import annotations

import logging
import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Format(StrEnum):
    """How a line looks."""

    LOGFMT = "logfmt"
    JSON = "json"


_NUMBERS = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARN: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


def configure(level: Level, form: Format) -> None:
    """Send everything that is logged to stderr.

    The libraries' own lines pass from warnings on: their debug lines tell of addresses and headers, which is where
    secrets travel.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        # Tracebacks without the values of local variables.
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        _tidy,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False)
        if form is Format.JSON
        else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "msg"], drop_missing=True)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
        )
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(_NUMBERS[level])
    if level is Level.ERROR:
        root.setLevel(logging.ERROR)
    # Skipped runs are told of by the exporter's own words and counter.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _tidy(_: Any, __: str, event: EventDict) -> EventDict:
    """The event under the name that Prometheus' tools use, absent values left out, nothing that a terminal obeys."""
    message = event.pop("event", "")
    tidy: EventDict = {"ts": event.pop("ts", ""), "level": event.pop("level", ""), "msg": message}
    for key, value in event.items():
        if value is not None:
            # Names come from other people; a traceback is the exporter's own and keeps its lines.
            foreign = isinstance(value, str) and key != "exception"
            tidy[key] = _CONTROL.sub("\ufffd", value) if foreign else value
    if tidy["level"] == "warning":
        tidy["level"] = "warn"
    return tidy
