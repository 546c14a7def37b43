from __future__ import annotations

import math

import pytest
from support.builders import DAY, HOUR, MINUTE, NOW

from exporter.common.text import (
    csv_cell,
    expiry_words,
    explained,
    printable,
    problem_and_hint,
    rough_duration,
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
    ("seconds", "text"), [(-1, "0s"), (59.9, "59s"), (60, "1m"), (86399, "23h"), (86400 * 55, "55d")]
)
def test_durations_are_rounded_down_to_the_largest_unit(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("expires_at", "text"),
    [(None, "expiry unknown"), (math.inf, "never expires"), (100, "expired 0s ago"), (160, "expires in 1m")],
)
def test_the_expiry_of_a_token_in_words(expires_at: float | None, text: str) -> None:
    assert expiry_words(expires_at, 100) == text


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[31m\nb\u3000c") == "a\ufffd[31m\ufffdb\u3000c"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x"])
def test_cells_are_not_formulas(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell("a" + text) == "a" + text


def test_times_are_rfc_3339_in_utc() -> None:
    # 1,780,272,000 s are 20,605 days after the epoch: 2026-06-01
    assert utc(1_780_272_000) == "2026-06-01T00:00:00Z"
    assert utc_exact(1_780_272_000.0015) == "2026-06-01T00:00:00.002Z"
    assert [utc(one) for one in (None, math.inf, -1)] == [None, None, None]


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
