"""The stages of a token: when each begins, which of them occur, and which one holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW

from exporter.model.stages import ExpiryThresholds, Stage, stage_at, stages
from exporter.model.token import NEVER

USUAL = ExpiryThresholds(info=None, warning=14 * DAY, critical=3 * DAY, expired_for=7 * DAY)
WITH_INFO = ExpiryThresholds(info=60 * DAY, warning=14 * DAY, critical=3 * DAY, expired_for=7 * DAY)
YEAR = 365 * DAY


@pytest.mark.parametrize(
    ("created_at", "thresholds", "expected"),
    [
        (NOW - YEAR, USUAL, {"warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY}),
        (
            NOW - YEAR,
            WITH_INFO,
            {"info": -60 * DAY, "warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY},
        ),
        # A lifetime of 30 hours: a third is 10, a tenth 3. The first stage is not shortened.
        (
            NOW - 30 * HOUR,
            WITH_INFO,
            {"info": -60 * DAY, "warning": -10 * HOUR, "critical": -3 * HOUR, "expired": 0, "not_removed": 7 * DAY},
        ),
        # Without a usable creation, the thresholds are as configured.
        (None, USUAL, {"warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY}),
        (NOW, USUAL, {"warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY}),
        (NOW + DAY, USUAL, {"warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY}),
        # A stage that would not begin before the next one does not occur.
        (
            NOW - YEAR,
            ExpiryThresholds(14 * DAY, 14 * DAY, 3 * DAY, 7 * DAY),
            {"warning": -14 * DAY, "critical": -3 * DAY, "expired": 0, "not_removed": 7 * DAY},
        ),
        (
            NOW - YEAR,
            ExpiryThresholds(13 * DAY, 14 * DAY, 20 * DAY, 7 * DAY),
            {"critical": -20 * DAY, "expired": 0, "not_removed": 7 * DAY},
        ),
    ],
)
def test_each_stage_begins_at_its_threshold(
    created_at: float | None, thresholds: ExpiryThresholds, expected: dict[str, float]
) -> None:
    found = stages(created_at, NOW, thresholds)
    assert {stage.value: begin - NOW for stage, begin in found} == expected
    assert [stage for stage, _ in found] == [stage for stage in Stage if stage.value in expected]


@pytest.mark.parametrize("expires_at", [None, NEVER])
def test_a_token_without_a_known_expiry_has_no_stages(expires_at: float | None) -> None:
    assert stages(NOW, expires_at, WITH_INFO) == ()


def test_the_stages_before_the_expiry_hold_below_their_threshold_the_others_from_their_begin_on() -> None:
    begins = stages(NOW - YEAR, NOW, WITH_INFO)
    at = {seconds: stage_at(begins, NOW + seconds) for seconds in (-60 * DAY, -14 * DAY, -3 * DAY, 0.0, 7 * DAY)}
    assert at == {
        -60 * DAY: None,
        -14 * DAY: Stage.INFO,
        -3 * DAY: Stage.WARNING,
        0.0: Stage.EXPIRED,
        7 * DAY: Stage.NOT_REMOVED,
    }
    after = [stage_at(begins, math.nextafter(NOW + seconds, NEVER)) for seconds in at]
    assert after == list(Stage)
    before = [stage_at(begins, NOW - 1), stage_at(begins, NOW + 7 * DAY - 1), stage_at((), NOW)]
    assert before == [Stage.CRITICAL, Stage.EXPIRED, None]


SECONDS = st.integers(1, 400 * 86400).map(float)


@given(
    st.none() | st.integers(0, 800 * 86400).map(lambda age: NOW - age),
    st.builds(ExpiryThresholds, st.none() | SECONDS, SECONDS, SECONDS, SECONDS),
)
def test_stages_begin_one_after_the_other_and_the_expiry_is_always_one(
    created_at: float | None, thresholds: ExpiryThresholds
) -> None:
    found = stages(created_at, NOW, thresholds)
    begins = [begin for _, begin in found]
    assert begins == sorted(set(begins))
    assert dict(found)[Stage.EXPIRED] == NOW
    assert found[-1] == (Stage.NOT_REMOVED, NOW + thresholds.expired_for)
    if created_at is not None and created_at < NOW:
        lifetime = NOW - created_at
        assert dict(found).get(Stage.WARNING, NOW) >= NOW - lifetime / 3 - 1e-6
        assert dict(found)[Stage.CRITICAL] >= NOW - lifetime / 10 - 1e-6
