"""The last thing before a log line is written: no secret, nothing that a terminal obeys, whatever was logged."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from exporter.common import logs
from exporter.common.log_options import Format, Level
from exporter.common.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe"
PRIVATE = TOKEN.partition("_")[2]
ENCODED = base64.b64encode(f"u:{TOKEN}".encode()).decode()


@pytest.fixture(params=list(Format))
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What has been logged since the last call."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("threading.excepthook", threading.excepthook)
    monkeypatch.setattr("sys.unraisablehook", sys.unraisablehook)
    redactor = Redactor()
    redactor.add(TOKEN, "file")
    logs.configure(Level.DEBUG, request.param, redactor)
    logs.log_uncaught()

    def take() -> list[str]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        if request.param is Format.JSON:
            assert all(json.loads(line)["level"] for line in text.splitlines() if line.startswith("{"))
        return text.splitlines()

    yield take
    monkeypatch.undo()
    logs.configure(Level.DEBUG, Format.LOGFMT)


def test_no_part_of_a_line_contains_a_secret(lines: Callable[[], list[str]]) -> None:
    log = structlog.get_logger("exporter.test")
    message = f"message {TOKEN}"
    log.warning(message, value=TOKEN, number=1, nested={"a": [TOKEN, ENCODED]}, raw=TOKEN.encode())
    (line,) = lines()
    assert PRIVATE not in line
    assert ENCODED[4:-4] not in line
    assert line.count("[redacted]") == 5


def test_tracebacks_libraries_and_threads_log_no_secret(lines: Callable[[], list[str]]) -> None:
    log = structlog.get_logger("exporter.test")
    try:
        int(TOKEN)
    except ValueError:
        log.exception("failed")
        logging.getLogger("redis").warning("sent %s", TOKEN, exc_info=True)
    thread = threading.Thread(target=lambda: int(TOKEN), name="doomed")
    thread.start()
    thread.join()
    found = lines()
    assert len(found) == 3
    assert all("ValueError" in line for line in found)
    assert "doomed" in found[2]
    assert PRIVATE not in "".join(found)
    assert "[redacted]" in found[0]


def test_no_part_of_a_line_contains_control_characters(lines: Callable[[], list[str]]) -> None:
    evil = "\x1b]0;x\x07\x9b31m\u202e\r\nts=forged\u2028"
    structlog.get_logger("exporter.test").warning(evil, value=evil, many=[evil])
    (line,) = lines()
    assert line.isprintable()


def test_a_line_that_cannot_be_formatted_shows_none_of_its_values(lines: Callable[[], list[str]]) -> None:
    record = logging.LogRecord("library", logging.WARNING, "x.py", 1, "%d tokens", (TOKEN,), None)
    (handler,) = (one for one in logging.getLogger().handlers if isinstance(one, logs._Handler))
    handler.handle(record)
    assert lines() == ['level=error msg="a log line cannot be written" logger=library error=TypeError']


def test_what_servers_can_cause_is_logged_once_a_minute_and_not_at_length(
    lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("exporter.common.clock.SystemClock.monotonic", lambda _: now[0])
    log = logging.getLogger("urllib3.connection")
    for at in (0.0, 1.0, 59.0, 60.0):
        now[0] = at
        try:
            int("x")
        except ValueError as error:
            # As urllib3 has it: with all that could not be parsed, and a traceback.
            log.warning("Failed to parse headers (url=%s): %s", f"http://x/?id={at}", "h" * 250 + TOKEN, exc_info=error)
        log.warning("another message")
    found = [line for line in lines() if "parse headers" in line]
    assert len(found) == 2
    assert "2 such lines suppressed before" in found[1]
    for line in found:
        assert len(line) < 600
        assert "Traceback" not in line
        assert PRIVATE[:6] not in line


def test_other_libraries_lines_are_not_limited(lines: Callable[[], list[str]]) -> None:
    for _ in range(3):
        logging.getLogger("redis").warning("gone")
    assert len(lines()) == 3
