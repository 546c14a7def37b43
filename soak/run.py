"""One run from the first start to the last exit, and its output."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.board import SECRET, Board
from soak.chaos import Chaos
from soak.expectations import Expectations
from soak.schedule import Profile, schedule
from soak.table import Table, report
from soak.watch import Watch
from soak.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from soak.bounds import Scale
    from soak.samples import Violation

_SHORT = 300.0
_LOG_LINES = 25


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run.

    Attributes:
        seed: of schedule, users and secrets.
        seconds: for how long the daemons run after they are ready.
        profile: which daemons run.
        scale: number of users, poll interval.
        keep_going: continue after a violation, and report the first of each invariant.
    """

    seed: int
    seconds: float
    profile: Profile
    scale: Scale
    keep_going: bool = False


def soak(options: Options, folder: Path, say: Callable[[str], None]) -> tuple[Violation, ...]:
    """Run it; returns the violated invariants, () for none.

    Args:
        options: the options.
        folder: for configuration, state and logs.
        say: prints a line.
    """
    started = time.monotonic()

    def now() -> float:
        return time.monotonic() - started

    short = options.seconds < _SHORT
    expected = Expectations()
    table = Table(options.profile.daemons, say, 10.0 if short else 30.0)
    board = Board(
        options.scale,
        options.seconds / 4 if short else _SHORT,
        lambda violation: [*table.history(violation.at), *_log_of(world, violation.daemon)],
        keep_going=options.keep_going,
    )
    events = schedule(options.seed, options.seconds, options.profile)
    with World(
        folder, options.seed, options.profile, options.scale, lambda text: board.violate(SECRET, now(), text)
    ) as world:
        say(
            f"seed {options.seed}, {options.seconds / 60:g} minutes, profile {options.profile}, {len(events)} events, "
            f"{options.scale.users} users; full disk: {world.disk.how}; clock steps: "
            f"{'libfaketime' if world.clock.works else 'NOT RUN, libfaketime is missing'}"
        )
        chaos = Chaos(world, expected, board, now, lambda event: table.event(now(), event))
        watch = Watch(world, expected, board, started, now, 5.0 if short else 10.0)
        try:
            chaos.bring_up()
            table.head()
            watch.start()
            chaos.start(events)
            watch.run(now() + options.seconds, lambda: table.row(now(), watch))
        finally:
            chaos.stop()
            if not board.failed.is_set():
                chaos.end_all()
            watch.stop()
        table.row(now(), watch, last=True)
        report(options, board, world.secrets.checks, say)
    return tuple(violation for violation, _ in board.violations)


def _log_of(world: World, name: str) -> list[str]:
    daemon = next((one for one in world.daemons if one.name == name), None)
    return [] if daemon is None else [f"the end of {daemon.log}:", daemon.last_lines(_LOG_LINES)]
