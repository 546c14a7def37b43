"""Logging to stderr, as logfmt or JSON, for the exporter and for libraries."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import structlog

from exporter.common.clock import SystemClock
from exporter.common.log_limit import LogLimit
from exporter.common.log_options import Format, Level
from exporter.common.redaction import Redactor
from exporter.common.text import without_control_characters

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_log = structlog.get_logger(__name__)


_LONGEST_OF_SERVERS = 300
_EXAMINED = 65_536
"""Characters of a library's message in which secrets are replaced before it is cut."""
_NUMBERS = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARN: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


def configure(level: Level, form: Format, redactor: Redactor | None = None) -> None:
    """Configure logging to stderr.

    Libraries log only warnings and errors, because their debug lines contain addresses and headers, and so secrets.
    What a server can cause with each answer, such as urllib3's warnings about headers and certificates, is limited in
    number and length.

    Args:
        level: lowest level to log.
        form: format of the lines.
        redactor: removes the secrets in use from each formatted line, including lines of libraries and tracebacks.
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
    handler = _Handler(sys.stderr)
    redactor = redactor or Redactor()
    handler.addFilter(_ServersLimit(redactor))
    handler.setFormatter(_Formatter(renderer, shared, redactor))
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(_NUMBERS[level])
    if level is Level.ERROR:
        root.setLevel(logging.ERROR)
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


def log_uncaught() -> None:
    """Log uncaught exceptions of threads and finalizers. Python would print them without redaction."""

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = None if args.thread is None else args.thread.name
            _log.error("a thread ended unexpectedly", thread=name, exc_info=args.exc_value)

    def ignored(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            _log.error("an exception was ignored", exc_info=args.exc_value)

    threading.excepthook = thread_ended
    sys.unraisablehook = ignored


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats a line, then removes secrets and control characters."""

    def __init__(self, renderer: Processor, shared: list[Processor], redactor: Redactor) -> None:
        super().__init__(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
        )
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return without_control_characters(self._redactor.clean(super().format(record)))


class _ServersLimit(logging.Filter):
    """Lets each message that servers can cause through once a minute, without its traceback and the long rest."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("urllib3")
        self._redactor = redactor
        self._limit = LogLimit(SystemClock(), lambda: None)

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True  # another part's line
        if (suppressed := self._limit.allow(f"{record.name}: {record.msg}")) is None:
            return False
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            return True  # the handler says so
        # Redacted first: a secret that is cut would not be recognized any more.
        text = self._redactor.clean(text[:_EXAMINED], cut=len(text) > _EXAMINED)
        if len(text) > _LONGEST_OF_SERVERS:
            text = f"{text[:_LONGEST_OF_SERVERS]}…"
        if suppressed:
            text += f" ({suppressed} such lines suppressed before)"
        record.msg, record.args, record.exc_info, record.exc_text = text, (), None, None
        return True


class _Handler(logging.StreamHandler[Any]):
    """Writes lines. If a line cannot be formatted, it reports the logger, without the values of the line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as in logging
        error = type(sys.exc_info()[1]).__name__
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f'level=error msg="a log line cannot be written" logger={record.name} error={error}\n')
            self.flush()


def _tidy(_: Any, __: str, event: EventDict) -> EventDict:
    """The event with the key names of Prometheus tools, without values that are None."""
    message = event.pop("event", "")
    tidy: EventDict = {"ts": event.pop("ts", ""), "level": event.pop("level", ""), "msg": message}
    tidy.update((key, value) for key, value in event.items() if value is not None)
    if tidy["level"] == "warning":
        tidy["level"] = "warn"
    return tidy
