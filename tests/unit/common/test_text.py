from __future__ import annotations

import math

import pytest

from exporter.common.text import cell, expiry_words, rough, utc, utc_exact


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_a_spreadsheet_would_compute_is_quoted(first: str) -> None:
    assert cell(f"{first}1+1") == f"'{first}1+1"


def test_a_cell_obeys_no_control_character() -> None:
    assert cell("\r=1+1") == "\ufffd=1+1"
    assert cell("\x1b[31mred") == "\ufffd[31mred"


@pytest.mark.parametrize("text", ["", "ci", "a=b", "1-2", " \u5f20\u4e09"])
def test_any_other_cell_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


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


def test_an_epoch_time_to_the_millisecond() -> None:
    assert utc_exact(1_780_272_000.0) == "2026-06-01T00:00:00.000Z"
    assert utc_exact(1_780_272_000.0786) == "2026-06-01T00:00:00.079Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.9, "0s"), (1, "1s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86399, "23h"),
     (86400, "1d"), (55.5 * 86400, "55d")],
)  # fmt: skip
def test_a_span_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert rough(seconds) == text


@pytest.mark.parametrize(
    ("expires_at", "words"),
    [
        (None, "expiry unknown"),
        (math.inf, "never expires"),
        (1000.0, "expired 0s ago"),
        (999.0, "expired 1s ago"),
        (1001.0, "expires in 1s"),
    ],
)
def test_the_words_for_an_expiry(expires_at: float | None, words: str) -> None:
    assert expiry_words(expires_at, 1000.0) == words
