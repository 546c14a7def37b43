"""Text for people: remaining time, points in time, errors with their hints, printable text, safe CSV cells."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_FIRST_DAY_OF_DATETIME = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LAST_DAY_OF_DATETIME = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_UTC = ZoneInfo("UTC")


def explained(problem: str, hint: str = "", *, reason: str = "") -> str:
    """A sentence for an operator: ``reason: problem; hint``. Empty parts are left out.

    Args:
        problem: what is wrong.
        hint: what to do about it.
        reason: the kind of problem, or where it is.
    """
    text = f"{reason}: {problem}" if reason else problem
    return f"{text}; {hint}" if hint else text


def problem_and_hint(error: Exception) -> tuple[str, str]:
    """The parts of an error whose text is that of `explained` without a reason; the hint may be empty."""
    problem, _, hint = str(error).partition("; ")
    return problem, hint


def rough_duration(seconds: float) -> str:
    """A duration in its largest whole unit, rounded down: ``55d``, ``23h``, ``55m``, ``0s``."""
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


def same_words(seconds: float) -> tuple[float, float]:
    """The durations that `rough_duration` rounds as this one: from the first value to just below the second."""
    for size, _ in _STEPS:
        if seconds >= size:
            count = seconds // size
            return count * size, (count + 1) * size
    return 0.0, 1.0


def expiry_words(expires_at: float | None, now: float) -> str:
    """When a token expires, as the end of a sentence: ``expires in 55m``, ``expired 55d ago``, ``never expires``."""
    if expires_at is None:
        return "expiry unknown"
    if expires_at == math.inf:
        return "never expires"
    if expires_at <= now:
        return f"expired {rough_duration(now - expires_at)} ago"
    return f"expires in {rough_duration(expires_at - now)}"


def printable(text: str) -> str:
    """Text on one line, without control characters: names are untrusted input.

    Spaces of any width stay, such as the ideographic space in Chinese names.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or unicodedata.category(char) == "Zs" else "\ufffd" for char in text)


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_control_characters(text: str) -> str:
    """Text that may have several lines, without characters that control a terminal or the direction of text."""
    return _CONTROL.sub("\ufffd", text)


def escaped_json(text: str) -> str:
    """A piece of JSON with such characters escaped, which does not change its meaning."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_FORMULA = re.compile('(^(?=\t)|(?:^|[;\t\n])(?=[\\s"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]))')
"""Where a spreadsheet may begin a cell, whether commas, semicolons or tabs separate cells, before what is a formula."""


def csv_cell(text: str) -> str:
    """Text for a CSV cell that a spreadsheet does not read as a formula, nor a terminal as a command.

    A spreadsheet whose locale separates cells by semicolons begins a new cell in the middle of the text.
    """
    return _FORMULA.sub(r"\1'", without_control_characters(text))


def utc(epoch: float | None) -> str | None:
    """An epoch time as RFC 3339 in UTC, to the second; None for None, never and times that a date cannot hold."""
    if epoch is None or not 0 <= epoch < _LAST_DAY_OF_DATETIME:
        return None
    # Long lists have two dates a line; this takes half the time of `strftime`.
    return f"{datetime.fromtimestamp(epoch, tz=UTC).isoformat()[:19]}Z"


def in_zone(epoch: float, zone: ZoneInfo) -> str | None:
    """An epoch time in a time zone, to the second: ``2026-12-25T13:00:00+08:00 (Asia/Shanghai)``; None as for `utc`."""
    if not 0 <= epoch < _LAST_DAY_OF_DATETIME:
        return None
    return f"{datetime.fromtimestamp(int(epoch), tz=zone).isoformat()} ({zone.key})"


def local_time(epoch: float, zone: ZoneInfo) -> str:
    """An epoch time in a time zone, to the minute: ``2026-12-25 13:00 Asia/Shanghai``."""
    epoch = min(max(epoch, _FIRST_DAY_OF_DATETIME), _LAST_DAY_OF_DATETIME - 86400)
    return f"{datetime.fromtimestamp(epoch, tz=zone).isoformat(' ')[:16]} {zone.key}"


def local_and_utc(epoch: float, zone: ZoneInfo) -> str:
    """The same, and in UTC unless that is the zone: ``2026-12-25 13:00 Asia/Shanghai (2026-12-25 05:00 UTC)``."""
    local = local_time(epoch, zone)
    return local if zone.key == _UTC.key else f"{local} ({local_time(epoch, _UTC)})"


def utc_exact(epoch: float) -> str:
    """An epoch time as RFC 3339 in UTC, to the millisecond."""
    # Each firing alert has two of these a minute; `strftime` takes three times as long.
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=round(epoch * 1000))  # noqa: DTZ001 - a Z follows
    return f"{moment.isoformat(timespec='milliseconds')}Z"
