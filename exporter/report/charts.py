"""Computes the report's bar charts: numbers in, SVG coordinates out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.report.summary import WEEK

if TYPE_CHECKING:
    from exporter.model.token import TokenState
    from exporter.report.summary import PolicyCount, Summary
    from exporter.report.words import Words

WIDTH = 900
_LABELLED = 4
"""Every fourth column has a date as its label."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart.

    Attributes:
        kind: selects its colour.
        label: the text beside or under it.
        value: the number that it shows.
        title: its tooltip.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str
    value: int
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart and the size of its drawing.

    Attributes:
        top: the largest number on the axis.
    """

    bars: tuple[Bar, ...]
    width: float
    height: float
    top: int


def states_chart(states: dict[TokenState, int]) -> Chart:
    """One bar for all tokens, divided by state."""
    total = sum(states.values())
    x, bars = 0.0, []
    for state, count in states.items():
        width = WIDTH * count / total if total else 0.0
        label = state.value.replace("_", " ")
        bars.append(Bar(_round(x), 0, _round(width), 30, state.value, label, count, f"{label}: {count}"))
        x += width
    return Chart(tuple(bars), WIDTH, 30, total)


def policies_chart(policies: tuple[PolicyCount, ...]) -> Chart:
    """A bar for each policy, on a common scale."""
    row, left, right = 26, 190, 60
    top = max((one.count for one in policies), default=0)
    room = WIDTH / 2 - left - right
    bars = tuple(
        Bar(
            left,
            place * row + 4,
            _round(room * one.count / top) if top else 0,
            row - 8,
            one.severity.value,
            one.policy.name,
            one.count,
            f"{one.policy.name} ({one.severity.value}): {one.count}",
        )
        for place, one in enumerate(policies)
    )
    return Chart(bars, WIDTH / 2, row * len(policies), top)


def weeks_chart(summary: Summary, words: Words) -> Chart:
    """A column for each of the next weeks; the first is critical, the second a warning."""
    left, above, height, below = 36, 18, 150, 22
    top = max(1, *summary.weeks)
    pitch = (WIDTH - left) / len(summary.weeks)
    bars = []
    for week, count in enumerate(summary.weeks):
        tall = height * count / top
        starts = summary.at + week * WEEK
        kind = "critical" if week == 0 else "warning" if week == 1 else "active"
        bars.append(
            Bar(
                _round(left + week * pitch + pitch * 0.12),
                _round(above + height - tall),
                _round(pitch * 0.76),
                _round(tall),
                kind,
                words.day(starts) if week % _LABELLED == 0 else "",
                count,
                words("seven days from {day}: {n}", day=words.day(starts), n=count),
            )
        )
    return Chart(tuple(bars), WIDTH, above + height + below, top)


def _round(value: float) -> float:
    return round(value, 1)
