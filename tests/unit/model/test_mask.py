from __future__ import annotations

import pytest

from exporter.model.mask import fits


@pytest.mark.parametrize(
    ("masked", "text", "expected"),
    [
        ("3001****-****-4229-a7f2-********41ad", "30015f0c-1b7e-4229-a7f2-9d64c8e041ad", True),
        ("3001****-****-4229-a7f2-********41ad", "30015f0c-1b7e-4229-a7f2-9d64c8e041ae", False),
        ("3001****-****-4229-a7f2-********41ad", "40015f0c-1b7e-4229-a7f2-9d64c8e041ad", False),
        ("3001****-****-4229-a7f2-********41ad", "30015f0c-1b7e-4228-a7f2-9d64c8e041ad", False),
        ("a*c", "ac", True),  # a star may stand for nothing
        ("a*a", "a", False),  # but no character counts twice
        ("*", "", True),
        ("", "", True),
        ("abc", "abc", True),
        ("abc", "abcd", False),
    ],
)
def test_a_mask_fits_what_it_may_stand_for(masked: str, text: str, expected: bool) -> None:  # noqa: FBT001
    assert fits(masked, text) is expected


def test_many_stars_take_no_time() -> None:
    assert not fits("*a" * 50_000, "a" * 49_999)
