"""Words for times."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from support.builders import DAY, NOW

from exporter.model.token import NEVER
from exporter.policies.builtin import NeverExpires
from exporter.texts.catalogue import Language
from exporter.web.reader import Moment, Reader

EN = Reader(Language.EN, {"acme": ZoneInfo("Asia/Shanghai"), "utc": ZoneInfo("UTC")}, NOW)
ZH = Reader(Language.ZH, EN.zones, NOW)


def test_a_moment_in_the_time_zone_of_the_organization_and_in_utc() -> None:
    assert EN.moment(NOW + 2 * DAY, "acme") == Moment(
        "2026-06-03T00:00:00Z", "2026-06-03 08:00 +08:00", "2026-06-03 00:00 UTC", "in 2d"
    )
    assert EN.moment(NOW - 60, "utc") == Moment("2026-05-31T23:59:00Z", "2026-05-31 23:59 UTC", "", "1m ago")
    assert EN.moment(NOW, "unknown organization").local == "2026-06-01 00:00 UTC"


def test_moments_in_chinese() -> None:
    assert (ZH.moment(NOW + DAY, "acme").relative, ZH.moment(NOW - DAY).relative) == ("1 天后", "1 天前")


@pytest.mark.parametrize(("epoch", "local"), [(None, "?"), (NEVER, "never"), (-1.0, "never"), (1e15, "never")])
def test_what_is_no_time(epoch: float | None, local: str) -> None:
    assert EN.moment(epoch, "acme", "?") == Moment("", local, "", "")


def test_the_last_day_of_all_days_can_be_shown_everywhere() -> None:
    reader = Reader(Language.EN, {"a": ZoneInfo("Pacific/Kiritimati")}, NOW)
    assert reader.moment(253_402_214_399.0, "a").machine == "9999-12-30T23:59:59Z"


def test_expiries_reasons_and_policies() -> None:
    assert [EN.expiry_words(one) for one in (NOW + DAY, NOW - DAY, NEVER, None)] == [
        "expires in 1d", "expired 1d ago", "never", "never",
    ]  # fmt: skip
    assert (EN.reason_of("timeout"), EN.reason_of("?")) == (
        "the platform does not answer in time", "the reason is not known",
    )  # fmt: skip
    assert EN.policy(NeverExpires()) == "it never expires"
