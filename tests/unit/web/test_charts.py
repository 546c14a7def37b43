"""Coordinates of the histogram."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from support.builders import NOW

from exporter.texts.catalogue import Language
from exporter.web.charts import HEIGHT, WIDTH, bars
from exporter.web.glance import Column
from exporter.web.reader import Reader
from exporter.web.urls import Urls

READER = Reader(Language.EN, {}, NOW)
DAY = datetime(2026, 6, 1, tzinfo=ZoneInfo("Asia/Shanghai"))


def days(*counts: int) -> list[Column]:
    return [Column(DAY + timedelta(days=n), DAY + timedelta(days=n), count) for n, count in enumerate(counts)]


def test_bars_are_as_tall_as_their_share_of_the_largest() -> None:
    chart = bars(days(10, 5, 0), READER, Urls("/"))
    # 96 high with 14 above for the number: 82 for the largest, half of it for half.
    assert [(one.y, one.height) for one in chart.bars] == [(14.0, 82.0), (55.0, 41.0), (HEIGHT, 0.0)]
    assert (chart.total, chart.width) == (15, WIDTH)
    assert [one.x for one in chart.bars] == [28.8, 268.8, 508.8]


def test_a_small_number_is_still_seen() -> None:
    assert bars(days(1000, 1), READER, Urls("/")).bars[1].height == 2.0


def test_bars_lead_to_what_they_count() -> None:
    first, *_ = bars(days(3), READER, Urls("/users/acme/1")).bars
    assert (first.title, first.href) == (
        "2026-06-01: 3", "../../tokens?expires_from=2026-06-01&expires_to=2026-06-01",
    )  # fmt: skip
    month = Column(DAY, DAY + timedelta(days=29), 3)
    (whole,) = bars([month], READER, Urls("/")).bars
    assert (whole.title, whole.label) == ("2026-06-01 to 2026-06-30: 3", "2026-06")


def test_the_first_week_is_critical_and_the_second_a_warning() -> None:
    kinds = [one.urgent for one in bars(days(*[1] * 15), READER, Urls("/")).bars]
    assert kinds == ["critical"] * 7 + ["warning"] * 7 + ["later"]


def test_not_every_column_has_a_label() -> None:
    labels = [one.label for one in bars(days(*[1] * 30), READER, Urls("/")).bars]
    assert labels[:7] == ["06-01", "", "", "06-04", "", "", "06-07"]


def test_no_columns() -> None:
    assert bars([], READER, Urls("/")).bars == ()
