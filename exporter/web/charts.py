"""The histogram of coming expiries: counts in, coordinates out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.web.glance import Column
    from exporter.web.reader import Reader
    from exporter.web.urls import Urls

WIDTH = 720.0
HEIGHT = 96.0
_LABELS = 16.0
_ABOVE = 14.0
_MOST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A column of the histogram.

    Attributes:
        title: what it says, for a tooltip and for screen readers.
        href: the list of these tokens.
        label: the text below it; "" for none.
        urgent: the style: within a week, within two, or later.
    """

    x: float
    y: float
    width: float
    height: float
    count: int
    title: str
    href: str
    label: str
    urgent: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A histogram and its size."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    pitch: float
    total: int


def bars(columns: Sequence[Column], reader: Reader, urls: Urls) -> Chart:
    """The histogram of some columns."""
    top = max([one.count for one in columns], default=0) or 1
    pitch = WIDTH / max(1, len(columns))
    step = -(-len(columns) // _MOST_LABELS)
    found = []
    for number, one in enumerate(columns):
        first, last = f"{one.first:%Y-%m-%d}", f"{one.last:%Y-%m-%d}"
        tall = max(2.0, (HEIGHT - _ABOVE) * one.count / top) if one.count else 0.0
        key = "column_of_chart" if first == last else "columns_of_chart"
        found.append(
            Bar(
                x=round(number * pitch + pitch * 0.12, 1),
                y=round(HEIGHT - tall, 1),
                width=round(pitch * 0.76, 1),
                height=round(tall, 1),
                count=one.count,
                title=reader.word(key, first=first, last=last, count=one.count),
                href=urls.page("tokens", expires_from=first, expires_to=last),
                label=_label(one, number, step),
                urgent="later" if first != last else _urgent(number),
            )
        )
    return Chart(tuple(found), WIDTH, HEIGHT + _LABELS, round(pitch, 2), sum(one.count for one in columns))


def _label(one: Column, number: int, step: int) -> str:
    if number % step:
        return ""
    return f"{one.first:%m-%d}" if one.first == one.last else f"{one.first:%Y-%m}"


def _urgent(day: int) -> str:
    if day < 7:  # noqa: PLR2004 - a week
        return "critical"
    return "warning" if day < 14 else "later"  # noqa: PLR2004 - two weeks
