"""Rows of figures as a Markdown table."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, and the seconds that it took."""

    what: str
    seconds: float
    note: str = ""


def best_of(runs: int, work: Callable[[], object]) -> float:
    """The shortest time of several runs in seconds; the others were delayed by something else."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def markdown(title: str, unit: str, rows: Sequence[Row]) -> str:
    """A Markdown table that compares each row's time with the first row's."""
    first = rows[0].seconds
    lines = [f"### {title}", "", f"| | {unit} | relative | |", "|---|---:|---:|---|"]
    lines += [f"| {row.what} | {row.seconds:.4g} | {row.seconds / first:.1f} | {row.note} |" for row in rows]
    return "\n".join(lines) + "\n"
