"""Reads the dates of the API as epoch seconds, in every form that has been seen.

An ambiguous date is read as the earliest time: an early warning is better than a late one.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.model.token import NEVER

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"\+?(?P<year>\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,30}))?)?"
    r"\s*(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hours>\d{2})(?::?(?P<zone_minutes>\d{2}))?)?)?",
    re.IGNORECASE | re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.0*)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOCUMENTED_LENGTH = len("2023-03-22T12:44:50.048Z")
_LONGEST = 64
_LAST_YEAR = 9999
_MS_FROM = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973
_SECONDS_FROM = 1_000_000_000  # 2001: the platform is younger, so a smaller number is not a date
_ZERO_DATE = -62_135_596_800  # 0001-01-01, what some languages write for "no date"


def parse_date(value: Any, zone: ZoneInfo) -> float:
    """Read a date, which is a point in time or "never".

    Accepted are ISO 8601 with T or a blank, any number of fraction digits and any usual offset; the same without a
    zone, which is read in ``zone``; a date alone, which is the start of that day in ``zone``; epoch milliseconds or
    seconds, as number or text. Absent (None), empty, 0, the epoch itself, the year 1, and any year from 9999 on mean
    never.

    Args:
        value: the value in the answer.
        zone: the time zone of dates without one.

    Returns:
        Epoch seconds; `NEVER` for never.

    Raises:
        ValueError: it is anything else, or an impossible date.
    """
    if value is None:
        return NEVER
    if isinstance(value, bool):
        raise ValueError("a boolean is not a date")  # noqa: TRY004 - one error for all invalid dates
    if isinstance(value, (int, float)):
        return _from_number(value)
    if not isinstance(value, str):
        raise ValueError("a date must be text or a number")  # noqa: TRY004 - the same
    if (seconds := _documented(value)) is not None:
        return seconds
    text = value.strip()
    if not text:
        return NEVER
    if len(text) > _LONGEST:
        raise ValueError("too long for a date")
    if _NUMBER.fullmatch(text):
        return _from_number(int(text.partition(".")[0]))
    if (match := _ISO.fullmatch(text)) is None:
        raise ValueError("unknown date format")
    return _from_parts(match, zone)


def _documented(text: str) -> float | None:
    """The date if it is an ordinary one in the documented form, ``2023-03-22T12:44:50.048Z``. This is the fast path."""
    if len(text) != _DOCUMENTED_LENGTH or text[4] != "-" or text[7] != "-" or text[10] != "T" or text[-1] != "Z":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if 1970 < moment.year < _LAST_YEAR else None  # noqa: PLR2004


def _from_number(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    if number in {0, _ZERO_DATE, _ZERO_DATE * 1000}:
        return NEVER
    if number >= _MS_FROM:
        seconds = number / 1000
    elif number >= _SECONDS_FROM:
        seconds = float(number)
    else:
        raise ValueError("the number is too small for a date of this platform")
    return NEVER if seconds >= datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp() else seconds


def _from_parts(match: re.Match[str], zone: ZoneInfo) -> float:
    year, month, day = (int(match[name]) for name in ("year", "month", "day"))
    if year >= _LAST_YEAR:
        return NEVER
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    midnight = datetime(year, month, day)  # noqa: DTZ001 - the zone comes below
    day_over = hour == 24 and minute == 0 and second == 0  # noqa: PLR2004
    if not day_over and (hour > 23 or minute > 59 or second > 60):  # noqa: PLR2004 - 60 is a leap second
        raise ValueError("invalid time of day")
    moment = midnight + timedelta(hours=hour, minutes=minute, seconds=second)
    if match["zone"] is None:
        # fold=0: the earlier of two times if a clock change repeats an hour
        seconds = (moment.replace(tzinfo=zone, fold=0) - _EPOCH).total_seconds()
    else:
        seconds = (moment.replace(tzinfo=UTC) - _EPOCH).total_seconds() - _offset(match)
    seconds += float(f"0.{match['fraction'] or 0}")
    return NEVER if year == 1 or seconds == 0 else seconds


def _offset(match: re.Match[str]) -> int:
    if match["sign"] is None:
        return 0
    hours, minutes = int(match["zone_hours"]), int(match["zone_minutes"] or 0)
    if hours > 23 or minutes > 59:  # noqa: PLR2004
        raise ValueError("invalid offset from UTC")
    return (hours * 3600 + minutes * 60) * (-1 if match["sign"] == "-" else 1)
