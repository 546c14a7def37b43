from __future__ import annotations

import math
import os
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platform.yunxiao.dates import parse_date

SHANGHAI = ZoneInfo("Asia/Shanghai")
UTC_ZONE = ZoneInfo("UTC")
# 2026-06-02T00:00:00Z is one day after NOW of the builders: 1780272000 + 86400.
JUNE_2 = 1_780_358_400.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-06-02T00:00:00Z", JUNE_2),
        ("2026-06-02T00:00:00.390Z", JUNE_2 + 0.39),
        ("2026-06-02T00:00:00.39Z", JUNE_2 + 0.39),
        ("2026-06-02T00:00:00.123456789Z", JUNE_2 + 0.123456789),
        ("2026-06-02T08:00:00+08:00", JUNE_2),
        ("2026-06-02T08:00:00+0800", JUNE_2),
        ("2026-06-02T08:00:00+08", JUNE_2),
        ("2026-06-01T16:00:00.000-08:00", JUNE_2),
        ("2026-06-02t00:00:00z", JUNE_2),
        ("2026-06-02 08:00:00", JUNE_2),  # Shanghai is UTC+8, without summer time since 1991
        ("2026-06-02T08:00", JUNE_2),
        ("2026-06-02", JUNE_2 - 8 * 3600),  # the start of that day in Shanghai
        ("2026-06-01T24:00:00Z", JUNE_2),
        (1_780_358_400_000, JUNE_2),
        ("1780358400000", JUNE_2),
        (1_780_358_400, JUNE_2),
        ("1780358400", JUNE_2),
        (1_780_358_400_500.0, JUNE_2 + 0.5),
        ("  2026-06-02T00:00:00Z ", JUNE_2),
    ],
)
def test_reads_every_form_that_has_been_seen(value: object, seconds: float) -> None:
    assert parse_date(value, SHANGHAI) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        0,
        "0",
        0.0,
        "0001-01-01T00:00:00Z",
        "0001-01-01 00:00:00",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-08:00",
        "10000-01-01T00:00:00Z",
        253_402_300_799_000,  # the last second of 9999, in milliseconds
        "253402300799000",
    ],
)
def test_values_that_mean_never(value: object) -> None:
    assert parse_date(value, SHANGHAI) == math.inf


@pytest.mark.parametrize(
    "value",
    [
        "permanent",
        "2025-53-22T12:44:50.048Z",  # stands in an official sample
        "2026-02-30",
        "2026-06-02T25:00:00Z",
        "2026-06-02T00:61:00Z",
        "2026-06-02T00:00:00+25:00",
        "2026-06-02Tnoon",
        "02/06/2026",
        "20260602",
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        -5,
        12345,
    ],
)
def test_anything_else_is_rejected(value: object) -> None:
    with pytest.raises(ValueError):
        parse_date(value, SHANGHAI)


@pytest.mark.parametrize("host_zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_time_zone_of_the_host_is_ignored(host_zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", host_zone)
    time.tzset()
    try:
        assert parse_date("2026-06-02 08:00:00", SHANGHAI) == JUNE_2
        assert parse_date("2026-06-02T08:00:00+08:00", SHANGHAI) == JUNE_2
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_hour_that_comes_twice_is_read_as_the_first() -> None:
    # New York, 2026-11-01: 01:30 EDT (UTC-4) is 05:30 UTC, 01:30 EST would be 06:30 UTC.
    expected = datetime(2026, 11, 1, 5, 30, tzinfo=UTC).timestamp()
    assert parse_date("2026-11-01 01:30:00", ZoneInfo("America/New_York")) == expected


@given(
    st.datetimes(min_value=datetime(2001, 9, 10), max_value=datetime(9998, 12, 30)),  # noqa: DTZ001
    st.integers(min_value=-23 * 60, max_value=23 * 60),
    st.sampled_from(["T", " "]),
)
def test_any_moment_in_any_zone_reads_back(moment: datetime, offset: int, separator: str) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert parse_date(aware.isoformat(sep=separator), UTC_ZONE) == pytest.approx(expected, abs=1e-5)


@given(
    st.one_of(
        st.text(max_size=40),
        st.from_regex(r"[0-9+-]{1,7}-[0-9]{1,3}-[0-9]{1,3}([T ][0-9:.,+Z-]{0,20})?", fullmatch=True),
        st.integers(),
        st.floats(),
    )
)
def test_any_value_is_read_or_raises_value_error(value: object) -> None:
    try:
        seconds = parse_date(value, SHANGHAI)
    except ValueError:
        return
    assert seconds == math.inf or math.isfinite(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "1970-01-01T00:00:00.000Z",  # the documented spelling, with milliseconds
        "0001-01-01T00:00:00.000Z",
        "9999-01-01T00:00:00.000Z",
        -62_135_596_800,  # year 1 in seconds and in milliseconds
        -62_135_596_800_000,
    ],
)
def test_what_stands_for_never_in_the_documented_spelling_and_as_a_number(value: object) -> None:
    assert parse_date(value, SHANGHAI) == math.inf


@pytest.mark.parametrize(
    "value",
    [
        "2026-06-01T24:00:30Z",
        "2026-06-01T24:01:00Z",
        "2026-06-02T00:00:61Z",
        "2026-06-02T00:00:00+08:75",
        "2026-06-02T00:00:00-24:00",
    ],
)
def test_a_time_of_day_or_an_offset_that_does_not_exist_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"invalid (time of day|offset from UTC)"):
        parse_date(value, SHANGHAI)


def test_a_leap_second_is_read() -> None:
    assert parse_date("2026-06-01T23:59:60Z", SHANGHAI) == JUNE_2
