"""The bar charts of the report."""

from __future__ import annotations

import pytest
from support.report import a_summary

from exporter.report.charts import WIDTH, policies_chart, states_chart, weeks_chart
from exporter.report.summary import WEEKS
from exporter.report.words import Words


def test_bars_fill_their_drawings_and_stay_inside() -> None:
    summary = a_summary()
    states = states_chart(summary.total.states)
    assert sum(bar.width for bar in states.bars) == pytest.approx(WIDTH, abs=0.5)
    # four of seven tokens are active
    assert states.bars[0].width == pytest.approx(WIDTH * 4 / 7, abs=0.1)
    for chart in (states, policies_chart(summary.policies), weeks_chart(summary, Words())):
        for bar in chart.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= chart.width + 0.1
            assert 0 <= bar.y <= bar.y + bar.height <= chart.height
    weeks = weeks_chart(summary, Words())
    assert len(weeks.bars) == WEEKS
    assert [bar.label for bar in weeks.bars if bar.label][:2] == ["01 Jun", "29 Jun"]
    assert weeks.bars[1].title == "seven days from 08 Jun: 1"
