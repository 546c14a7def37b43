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
        (1_780_358_400_500_000, JUNE_2 + 0.5),  # microseconds
        ("1780358400500000", JUNE_2 + 0.5),
        (1_780_358_400_500_000_000, JUNE_2 + 0.5),  # nanoseconds
        ("1780358400500000000", JUNE_2 + 0.5),
        (1.7803584005e18, JUNE_2 + 0.5),
        (1_780_358_400.5, JUNE_2 + 0.5),
        ("1780358400.5", JUNE_2 + 0.5),
        ("20260602080000", JUNE_2),  # compact, in Shanghai
        (20_260_602_080_000, JUNE_2),
        (20_260_602_080_000.0, JUNE_2),
        ("202606020800", JUNE_2),
        (202_606_020_800, JUNE_2),
        ("20260602", JUNE_2 - 8 * 3600),
        (20_260_602, JUNE_2 - 8 * 3600),
        ("20260602080000500", JUNE_2 + 0.5),
        ("20260602080000500000", JUNE_2 + 0.5),
        ("20260602080000.5", JUNE_2 + 0.5),
        ("20260602000000Z", JUNE_2),
        ("20260602T000000Z", JUNE_2),
        ("20260602 000000 UTC", JUNE_2),
        ("20260602080000+0800", JUNE_2),
        ("20260602080000.500+08:00", JUNE_2 + 0.5),
        ("202606020000Z", JUNE_2),
        ("20260602T0000Z", JUNE_2),
        ("2061062212", 2_061_062_212.0),  # ten digits are seconds, not a day and an hour
        (33_325_084_800_000, 33_325_084_800.0),  # year 3026: no compact date, so milliseconds
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
        253_402_300_799,  # in seconds
        253_402_300_799_000_000,  # in microseconds
        "99991231235959",
        99_991_231,
        "9999-12-31",
        2**63 - 1,  # the largest number of 64 bits
        "9223372036854775807",
        "0000-00-00 00:00:00",
        "0000-00-00",
        "0000-00-00T00:00:00.000Z",
        "00000000000000",
        "00010101000000",
        "0001-01-01",
        "1970-01-01",  # in the zone, which is the epoch - 8 h
        "1970-01-01 00:00:00",
        "1970-01-01T00:00:00.000+08:00",
        "1969-12-31T16:00:00.000Z",
        "19700101000000",
        -28_800,
        -28_800_000,
        "-28800000",
        -62_135_596_800_000_000,  # the year 1 in microseconds
        "never",
        " Permanent ",
        "FOREVER",
        "null",
        "None",
        "永久",
        "无期限",
    ],
)
def test_values_that_mean_never(value: object) -> None:
    assert parse_date(value, SHANGHAI) == math.inf


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "unlimited",
        "expired",
        "unknown",
        "长期",  # "for long", which need not be for ever
        "-",
        "N/A",
        "2025-53-22T12:44:50.048Z",  # stands in an official sample
        "2026-02-30",
        "2026-06-02T25:00:00Z",
        "2026-06-02T00:61:00Z",
        "2026-06-02T00:00:00+25:00",
        "2026-06-02Tnoon",
        "02/06/2026",
        "20261302",
        "20260230080000",  # no such day, and no milliseconds of 2612 either
        "20260602080000 noon",
        "20260602Z",
        "0000-13-00",
        "9999-13-01",
        "99999999999999",
        "1970-00-00",
        978_307_200_000,  # 2001-01-01 in milliseconds or 32971 in seconds: neither is plausible
        5 * 10**17,  # 17814 in microseconds, 1985 in nanoseconds
        10**21,
        10**400,
        -(10**400),
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


plausible = st.datetimes(
    min_value=datetime(2001, 9, 10),  # noqa: DTZ001
    max_value=datetime(2285, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (999_999_999, None),  # 2001-09-09
        (1_000_000_000, 1_000_000_000.0),
        (99_989_999_999, 99_989_999_999.0),  # the year 5138
        (100_000_000_000, None),
        (253_370_764_799, None),  # the last second of 9998
        (253_370_764_800, math.inf),
        (253_402_387_199, math.inf),  # the end of 9999 in the westernmost zone, and more
        (253_402_387_200, None),
        (999_999_999_999, None),
    ],
)
def test_each_unit_has_its_range(seconds: int, unit: int, expected: float | None) -> None:
    if expected is not None:
        assert parse_date(seconds * unit, SHANGHAI) == expected
        return
    with pytest.raises(ValueError):
        parse_date(seconds * unit, SHANGHAI)


def test_a_compact_date_begins_with_a_year_of_our_time() -> None:
    assert parse_date("21991231000000Z", UTC_ZONE) == parse_date("2199-12-31T00:00:00Z", UTC_ZONE)
    assert parse_date("21991231000000", UTC_ZONE) == parse_date("2199-12-31T00:00:00Z", UTC_ZONE)
    # As milliseconds: 22,000,101,000 s after the epoch.
    assert parse_date("22000101000000", UTC_ZONE) == 22_000_101_000.0
    assert parse_date("19691231000000", UTC_ZONE) == 19_691_231_000.0


@given(plausible, st.sampled_from([1, 10**3, 10**6, 10**9]), st.sampled_from([int, str, float]))
def test_an_epoch_time_in_any_unit_reads_back(moment: datetime, unit: int, kind: type) -> None:
    # Whole microseconds since the epoch, so exact in every unit.
    number = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * unit // 10**6
    assert parse_date(kind(number), SHANGHAI) == pytest.approx(number / unit, abs=5e-6)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2199, 12, 31)),  # noqa: DTZ001
    st.sampled_from(["%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f", "%Y%m%d%H%M%S.%f"]),
    st.sampled_from(["", "Z", "+0530"]),
)
def test_a_compact_date_reads_back(moment: datetime, form: str, zone: str) -> None:
    text = moment.strftime(form)
    written = datetime.strptime(text, form)  # noqa: DTZ007 - without the parts that the form leaves out
    if form == "%Y%m%d":
        zone = ""
    offset = 5.5 * 3600 if zone == "+0530" else 0
    expected = (written.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - offset
    assert parse_date(text + zone, UTC_ZONE) == pytest.approx(expected, abs=1e-5)
    if not zone and "." not in text and len(text) < 19:
        assert parse_date(int(text), UTC_ZONE) == pytest.approx(expected, abs=1e-5)


@given(st.one_of(st.integers(0, 10**21), st.integers(0, 20).flatmap(lambda digits: st.integers(0, 10**digits))))
def test_digits_are_a_date_of_the_next_centuries_never_or_refused(number: int) -> None:
    try:
        seconds = parse_date(number, SHANGHAI)
    except ValueError:
        return
    # 1970 to 5138; only zeros, the year 9999 and the largest number are never.
    assert seconds == math.inf or -86_400 <= seconds < 100_000_000_000


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
