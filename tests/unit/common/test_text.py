from __future__ import annotations

import csv
import io
import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, MINUTE, NOW

from exporter.common.text import (
    csv_cell,
    expiry_words,
    explained,
    in_zone,
    local_and_utc,
    local_time,
    printable,
    problem_and_hint,
    rough_duration,
    same_words,
    utc,
    utc_exact,
)
from exporter.model.token import NEVER


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("is empty",), "is empty"),
        (("is empty", "fill it"), "is empty; fill it"),
        (("is empty", "", "c.yaml"), "c.yaml: is empty"),
        (("is empty", "fill it", "c.yaml"), "c.yaml: is empty; fill it"),
    ],
)
def test_an_explanation_leaves_empty_parts_out(parts: tuple[str, ...], text: str) -> None:
    problem, hint, reason = (*parts, "", "")[:3]
    assert explained(problem, hint, reason=reason) == text


def test_problem_and_hint_are_the_parts_of_an_explanation() -> None:
    assert problem_and_hint(ValueError(explained("is empty", "fill it; or not"))) == ("is empty", "fill it; or not")
    assert problem_and_hint(ValueError("is empty")) == ("is empty", "")


@pytest.mark.parametrize(
    ("expires_at", "text"),
    [(None, "expiry unknown"), (math.inf, "never expires"), (100, "expired 0s ago"), (160, "expires in 1m")],
)
def test_the_expiry_of_a_token_in_words(expires_at: float | None, text: str) -> None:
    assert expiry_words(expires_at, 100) == text


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[31m\nb\u3000c") == "a\ufffd[31m\ufffdb\u3000c"


@pytest.mark.parametrize(
    ("expires_in", "words"),
    [
        (-55 * DAY, "expired 55d ago"),
        (55 * MINUTE, "expires in 55m"),
        (55 * DAY, "expires in 55d"),
        (59, "expires in 59s"),
        (0.5, "expires in 0s"),
        (0, "expired 0s ago"),
        (NEVER, "never expires"),
        (23 * HOUR + 59 * MINUTE, "expires in 23h"),
    ],
)
def test_past_and_future_expiry_in_words(expires_in: float, words: str) -> None:
    assert expiry_words(NOW + expires_in, NOW) == words


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_a_spreadsheet_would_compute_is_quoted(first: str) -> None:
    assert csv_cell(f"{first}1+1") == f"'{first}1+1"


_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1"', 'a;\' "=1+1"'),
        ("a\n=1+1", "a\n'=1+1"),
        ("a\t@SUM(A1)", "a\t'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("a;b=1", "a;b=1"),
        ("2026-06-01", "2026-06-01"),
    ],
)
def test_a_cell_has_no_formula_after_a_separator_of_any_locale(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


@given(st.lists(st.text('=+-@;,\t\n\r" \uff1da1'), min_size=1, max_size=4))
def test_no_cell_begins_with_a_formula_whatever_separates_cells(texts: list[str]) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow([csv_cell(text) for text in texts])
    for separator in ",;\t":
        cells = [
            cell for row in csv.reader(io.StringIO(stream.getvalue(), newline=""), delimiter=separator) for cell in row
        ]
        assert not [cell for cell in cells if cell.lstrip('" \t\r\n').startswith(_STARTS)]


def test_a_cell_obeys_no_control_character() -> None:
    assert csv_cell("\r=1+1") == "\ufffd=1+1"
    assert csv_cell("\x1b[31mred") == "\ufffd[31mred"


@pytest.mark.parametrize("text", ["", "ci", "a=b", "1-2", " \u5f20\u4e09"])
def test_any_other_cell_stays_as_it_is(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1_780_272_000.9, "2026-06-01T00:00:00Z"),
        (253_402_214_399.0, "9999-12-30T23:59:59Z"),
        (253_402_214_400.0, None),  # the last day of the calendar stands for never
        (-1.0, None),
        (math.inf, None),
        (None, None),
    ],
)
def test_an_epoch_time_in_utc(epoch: float | None, text: str | None) -> None:
    assert utc(epoch) == text


@pytest.mark.parametrize(
    ("epoch", "zone", "text"),
    [
        # 2026-06-01T00:00:00Z
        (1_780_272_000.9, "Asia/Shanghai", "2026-06-01T08:00:00+08:00 (Asia/Shanghai)"),
        (1_780_272_000, "America/New_York", "2026-05-31T20:00:00-04:00 (America/New_York)"),
        (math.inf, "UTC", None),
        (-1, "UTC", None),
        # The last instant that a date can hold in UTC: in Shanghai it would be in the year 10000.
        (253_402_300_799, "Asia/Shanghai", None),
    ],
)
def test_an_epoch_time_in_a_time_zone(epoch: float, zone: str, text: str | None) -> None:
    assert in_zone(epoch, ZoneInfo(zone)) == text


def test_an_epoch_time_to_the_millisecond() -> None:
    assert utc_exact(1_780_272_000.0) == "2026-06-01T00:00:00.000Z"
    assert utc_exact(1_780_272_000.0786) == "2026-06-01T00:00:00.079Z"
    assert utc_exact(-0.001) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0, "0s"), (0.9, "0s"), (1, "1s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"),
     (86399, "23h"), (86400, "1d"), (55.5 * 86400, "55d")],
)  # fmt: skip
def test_a_span_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "shortest", "longer"),
    [(0, 0, 1), (0.5, 0, 1), (59.9, 59, 60), (60, 60, 120), (3599, 3540, 3600), (23.5 * HOUR, 23 * HOUR, DAY)],
)
def test_durations_with_the_same_words(seconds: float, shortest: float, longer: float) -> None:
    assert same_words(seconds) == (shortest, longer)
    assert rough_duration(shortest) == rough_duration(seconds) != rough_duration(longer)


def test_local_times_are_to_the_minute_and_beside_utc() -> None:
    shanghai, utc_zone = ZoneInfo("Asia/Shanghai"), ZoneInfo("UTC")
    assert local_time(NOW + 59, shanghai) == "2026-06-01 08:00 Asia/Shanghai"
    # In Shanghai it is already the next day.
    assert local_and_utc(NOW - 3600, shanghai) == "2026-06-01 07:00 Asia/Shanghai (2026-05-31 23:00 UTC)"
    assert local_and_utc(NOW, utc_zone) == "2026-06-01 00:00 UTC"


@given(st.floats(allow_nan=False))
def test_any_time_can_be_shown(epoch: float) -> None:
    assert local_and_utc(epoch, ZoneInfo("America/New_York")).endswith(" UTC)")
