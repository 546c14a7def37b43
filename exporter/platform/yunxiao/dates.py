"""Reads the dates of the API as epoch seconds, in every form that has been seen.

An ambiguous date is read as the earliest time: an early warning is better than a late one. Digits alone can be an epoch
time or a compact date. 8, 12, 14, 17 or 20 of them are a compact date if they begin with a year from 1970 to 2199, with
that of a zero date or with 9999: as an epoch time, the same digits would be centuries away. All others are an epoch
time, whose size tells its unit, since the platform is younger than 2001 and no date is later than 5138.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.model.token import NEVER

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_ZONE = r"\s*(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hours>\d{2})(?::?(?P<zone_minutes>\d{2}))?)?"
_ISO = re.compile(
    r"\+?(?P<year>\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>[.,]\d{1,30})?)?" + _ZONE + ")?",
    re.IGNORECASE | re.ASCII,
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?:(?P<second>\d{2})(?P<fraction>[.,]\d{1,30}|\d{6}|\d{3})?)?"
    + _ZONE
    + ")?",
    re.IGNORECASE | re.ASCII,
)
_COMPACT_DIGITS = frozenset({8, 12, 14, 17, 20})
"""Digits of a compact date: of a day, or down to minutes, seconds, milli- or microseconds. Ten are an epoch time."""
_COMPACT_YEARS = frozenset({0, 1, *range(1970, 2200), 9999})
_NUMBER = re.compile(r"[+-]?\d{1,21}(?:\.\d{0,30})?", re.ASCII)
_NEVER_WORDS = frozenset(
    {
        *("never", "never expires", "permanent", "permanently", "forever", "none", "null"),
        *("永久", "永久有效", "永不过期", "永不失效", "无期限", "无限期"),
    }
)
"""The words that can mean nothing but "never", or are JSON's null as text. Any other word is unreadable."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOCUMENTED_LENGTH = len("2023-03-22T12:44:50.048Z")
_LONGEST = 64
_LAST_YEAR = 9999
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
"""Units of an epoch time, in parts of a second."""
_FIRST = 1_000_000_000
"""2001 in epoch seconds: the platform is younger."""
_LAST = 100_000_000_000
"""5138 in epoch seconds. From here on the number could be an earlier date in a smaller unit."""
_LAST_YEAR_BEGIN = 253_370_764_800
_LAST_YEAR_END = 253_402_300_800 + 86_400
"""The year 9999 in epoch seconds, and a day for the zone in which it was written."""
_MOST = 10**21
"""More than the largest number that is read: nanoseconds of the year 9999."""
_LARGEST = 2**63 - 1
"""What a 64-bit program writes for "no end"."""


def parse_date(value: Any, zone: ZoneInfo) -> float:
    """Read a date, which is a point in time or "never".

    Accepted are ISO 8601 with T or a blank, any number of fraction digits and any usual offset; the same without a
    zone, which is read in ``zone``; a date alone, which is the start of that day in ``zone``; the same without
    separators (``20250622124450``); an epoch time in seconds, milliseconds, microseconds or nanoseconds, as number or
    text. Absent (None), empty, a word for it, 0, the epoch itself in UTC or in ``zone``, the years 0 and 1, and any
    year from 9999 on mean never.

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
        return _from_number(value, zone)
    if not isinstance(value, str):
        raise ValueError("a date must be text or a number")  # noqa: TRY004 - the same
    if (seconds := _documented(value)) is not None:
        return seconds
    text = value.strip()
    if len(text) > _LONGEST:
        raise ValueError("too long for a date")
    if not text or text.casefold() in _NEVER_WORDS:
        return NEVER
    if _NUMBER.fullmatch(text):
        return _from_digits(text, zone)
    if (match := _ISO.fullmatch(text) or _COMPACT.fullmatch(text)) is None:
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


def _from_number(number: float, zone: ZoneInfo) -> float:
    if not -_MOST < number < _MOST:  # true for NaN as well
        raise ValueError("the number is too large for a date")
    return _from_digits(str(int(number)) if number == int(number) else repr(number), zone)


def _from_digits(text: str, zone: ZoneInfo) -> float:
    """A compact date or an epoch time."""
    whole, _, fraction = text.partition(".")
    if (compact := _compact(f"{whole}.{fraction}" if fraction.strip("0") else whole, len(whole), zone)) is not None:
        return compact
    return _from_epoch(float(text) if fraction.strip("0") else int(whole), zone)


def _compact(text: str, digits: int, zone: ZoneInfo) -> float | None:
    """The time of a compact date; None if the digits do not begin with the year of one.

    Raises:
        ValueError: they do, but there is no such date.
    """
    if digits not in _COMPACT_DIGITS or (match := _COMPACT.fullmatch(text)) is None:
        return None
    return _from_parts(match, zone) if int(match["year"]) in _COMPACT_YEARS else None


def _from_epoch(number: float, zone: ZoneInfo) -> float:
    if number == _LARGEST or any(number / unit in _zero_dates(zone) for unit in _UNITS):
        return NEVER
    for unit in _UNITS:
        seconds = number / unit
        if _FIRST <= seconds < _LAST:
            return seconds
        if _LAST_YEAR_BEGIN <= seconds < _LAST_YEAR_END:
            return NEVER
    raise ValueError("the number is not a date of this platform in any unit")


@functools.lru_cache(maxsize=64)
def _zero_dates(zone: ZoneInfo) -> frozenset[float]:
    """The epoch seconds that stand for "no date": the epoch and the first day of the year 1, in UTC and in a zone."""
    days = (datetime(1970, 1, 1), datetime(1, 1, 1))  # noqa: DTZ001 - the zone comes below
    return frozenset((day.replace(tzinfo=one) - _EPOCH).total_seconds() for day in days for one in (UTC, zone))


def _from_parts(match: re.Match[str], zone: ZoneInfo) -> float:
    year, month, day = (int(match[name]) for name in ("year", "month", "day"))
    if (year >= _LAST_YEAR or year == 0) and month <= 12 and day <= 31:  # noqa: PLR2004 - a zero date has no real day
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
    if year == 1 or seconds in _zero_dates(zone):
        return NEVER
    fraction = match["fraction"]
    return seconds + float(f"0.{fraction.lstrip('.,')}") if fraction else seconds


def _offset(match: re.Match[str]) -> int:
    if match["sign"] is None:
        return 0
    hours, minutes = int(match["zone_hours"]), int(match["zone_minutes"] or 0)
    if hours > 23 or minutes > 59:  # noqa: PLR2004
        raise ValueError("invalid offset from UTC")
    return (hours * 3600 + minutes * 60) * (-1 if match["sign"] == "-" else 1)
