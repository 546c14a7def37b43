"""The output of a run: a row every few seconds, a line for each event, the invariants at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from soak.board import SECRET
from soak.bounds import MB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from soak.board import Board
    from soak.run import Options
    from soak.samples import Sample
    from soak.schedule import Event
    from soak.watch import Watch

_HISTORY = 180.0
"""Seconds of the schedule that the report of a violation contains."""
_WIDTH = 48


class Table:
    """Prints rows and events.

    Args:
        daemons: their names; each has a group of columns.
        say: prints a line.
        every: seconds between two rows.
    """

    def __init__(self, daemons: Sequence[str], say: Callable[[str], None], every: float) -> None:
        self._daemons = daemons
        self._say = say
        self._every = every
        self._next = 0.0
        # Guards events.
        self._lock = threading.Lock()
        self._events: list[tuple[float, Event]] = []

    def head(self) -> None:
        """Print the column headings."""
        self._say(f"{'time':>7}" + "".join(f" | {daemon:<{_WIDTH}}" for daemon in self._daemons))
        columns = f"{'RSS MB':>7}{'fds':>5}{'threads':>8} {'role':<8}{'oldest s':>9}{'healthy ms':>11}"
        self._say(" " * 7 + f" | {columns}" * len(self._daemons))

    def event(self, at: float, event: Event) -> None:
        """Print an event."""
        with self._lock:
            self._events.append((at, event))
        self._say(_line(at, event))

    def row(self, at: float, watch: Watch, *, last: bool = False) -> None:
        """Print the state of the daemons, if it is time."""
        if at < self._next and not last:
            return
        self._next = at + self._every
        cells = [_cell(watch.latest.get(one), watch.slowest.pop(one, 0.0)) for one in self._daemons]
        self._say(f"{at:6.0f}s | " + " | ".join(cells))

    def history(self, at: float) -> list[str]:
        """The events in the minutes before a time."""
        with self._lock:
            return [_line(when, event) for when, event in self._events if at - _HISTORY <= when <= at]


def _line(at: float, event: Event) -> str:
    return f"{at:6.0f}s   > {event}"


def _cell(sample: Sample | None, slowest: float) -> str:
    if sample is None:
        return f"{'down':<{_WIDTH}}"
    ages = [sample.wall - value for value in sample.scrape.last_success.values()]
    role = "leader" if sample.scrape.leader else "standby"
    return (
        f"{sample.rss / MB:7.1f}{sample.fds:5d}{sample.threads:8d} {role:<8}"
        f"{max(ages, default=float('nan')):9.0f}{slowest * 1000:11.0f}"
    )


def report(options: Options, board: Board, searches: int, say: Callable[[str], None]) -> None:
    """Print the worst value of each invariant, and the violations."""
    broken = {violation.invariant for violation, _ in board.violations}
    say("")
    say(f"{'invariant':<22}{'worst':>12}{'bound':>12}  {'':<13}{'at':>7}  {'checks':>7}  where")
    for worst in board.worst:
        say(
            f"{worst.name:<22}{worst.value:12,.1f}{worst.bound:12,.1f}  {worst.unit:<13}{worst.at:6.0f}s"
            f"  {worst.checks:7d}  {worst.where}"
        )
    say(f"{SECRET:<22}{'yes' if SECRET in broken else 'none':>12}{'none':>12}  {'':<13}{'':>7}  {searches:7d}")
    for violation, evidence in board.violations:
        say("")
        say(f"VIOLATION of {violation.invariant!r} at {violation.at:.0f} s, seed {options.seed}: {violation.text}")
        for line in evidence:
            say(line)
    if broken:
        again = f"SOAK_MINUTES={options.seconds / 60:g} SOAK_SEED={options.seed} python -m soak"
        say(f"\nFAILED; to repeat the schedule: {again} --profile {options.profile} --users {options.scale.users}")
    else:
        say("\nall invariants held")
