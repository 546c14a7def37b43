"""Which fault begins when and how long it lasts: a pure function of seed, duration and profile."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from soak.plan import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Lane(StrEnum):
    """Faults in one lane come one after the other; those in different lanes overlap."""

    PLATFORM = "platform"
    REDIS = "redis"
    ALERTMANAGER = "alertmanager"
    DISK = "disk"
    PROCESS = "process"
    RELOAD = "reload"
    CLIENTS = "clients"


class Profile(StrEnum):
    """Which daemons run."""

    SINGLE = "single"
    REPLICAS = "replicas"
    ALL = "all"

    @property
    def daemons(self) -> tuple[str, ...]:
        """The names of the daemons: ``alone``, and ``a`` and ``b``, which share a Redis. Each has a state file."""
        alone = () if self is Profile.REPLICAS else ("alone",)
        return alone if self is Profile.SINGLE else (*alone, "a", "b")


PLATFORM = (
    "away",
    "false 401",
    "token revoked",
    "429",
    "slow",
    "drip",
    "reset",
    "html",
    "truncated",
    "500",
    "large answers",
    "hang",
    "token echoed",
)
REDIS = ("killed", "failover", "frozen")
ALERTMANAGER = ("away", "400 echoing", "slow", "500", "garbage")
DISK = ("full",)
PROCESS = ("kill -9", "SIGTERM", "clock step", "pause")
CLIENTS = ("slow readers", "bad requests", "idle", "half a header", "wrong paths")
RELOAD = tuple(change.value for change in Change)


@dataclass(frozen=True, slots=True)
class Event:
    """One fault.

    Attributes:
        at: seconds after the start of the run.
        lane: its lane.
        what: the fault.
        seconds: duration; 0 for a momentary fault.
        target: the daemon concerned, or empty for all.
        number: selects details, such as the size of a clock step.
    """

    at: float
    lane: Lane
    what: str
    seconds: float = 0.0
    target: str = ""
    number: int = 0

    def __str__(self) -> str:
        parts = (f"{self.lane} {self.what}", self.target, f"{self.seconds:.0f} s" if self.seconds else "")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Minimum and maximum seconds of a fault and of the pause after it."""

    lasts: tuple[float, float]
    quiet: tuple[float, float]


_SHORT_RUN = 300.0
"""Runs shorter than this have shorter faults and pauses, so that each lane gets its turn."""
_FIRST = 12.0
"""Seconds for the daemons to start before the first fault."""
_LAST = 24.0
"""Seconds at the end without new faults, so that the effects of the last ones are seen."""
_SHORT = {
    Lane.PLATFORM: Rhythm((4, 7), (24, 27)),
    Lane.REDIS: Rhythm((3, 6), (18, 22)),
    Lane.ALERTMANAGER: Rhythm((5, 8), (3, 6)),
    Lane.DISK: Rhythm((6, 9), (20, 30)),
    Lane.PROCESS: Rhythm((3, 4), (10, 13)),
    Lane.RELOAD: Rhythm((0, 0), (7, 10)),
    Lane.CLIENTS: Rhythm((6, 8), (3, 6)),
}
_LONG = {
    Lane.PLATFORM: Rhythm((5, 40), (26, 45)),
    Lane.REDIS: Rhythm((3, 25), (25, 50)),
    Lane.ALERTMANAGER: Rhythm((10, 60), (5, 30)),
    Lane.DISK: Rhythm((10, 60), (30, 90)),
    Lane.PROCESS: Rhythm((3, 10), (45, 90)),
    Lane.RELOAD: Rhythm((0, 0), (8, 25)),
    Lane.CLIENTS: Rhythm((8, 25), (5, 20)),
}
_WHAT: dict[Lane, tuple[str, ...]] = {
    Lane.PLATFORM: PLATFORM,
    Lane.REDIS: REDIS,
    Lane.ALERTMANAGER: ALERTMANAGER,
    Lane.DISK: DISK,
    Lane.PROCESS: PROCESS,
    Lane.RELOAD: RELOAD,
    Lane.CLIENTS: CLIENTS,
}
_MOMENTS = frozenset({"kill -9", "SIGTERM", "clock step", "failover"})
_RESTARTS = frozenset({"kill -9", "SIGTERM"})
_STEADY_AFTER = 0.4
"""Share of a run after which its steady daemon is not restarted any more, so that slow leaks become visible."""


def schedule(seed: int, seconds: float, profile: Profile) -> tuple[Event, ...]:
    """All faults of a run, earliest first."""
    rhythms = _SHORT if seconds < _SHORT_RUN else _LONG
    lanes = [lane for lane in Lane if lane is not Lane.REDIS or profile is not Profile.SINGLE]
    return tuple(
        sorted(
            itertools.chain.from_iterable(_lane(seed, lane, rhythms[lane], seconds, profile.daemons) for lane in lanes),
            key=lambda event: event.at,
        )
    )


def _lane(seed: int, lane: Lane, rhythm: Rhythm, seconds: float, daemons: Sequence[str]) -> Iterator[Event]:
    # One generator per lane, so that the events of a lane do not depend on the number of events in others.
    chance = random.Random(f"{seed}/{lane}")
    at = _FIRST + chance.uniform(0, rhythm.quiet[0] / 2)
    for drawn in _shuffled(chance, _WHAT[lane]):
        what = drawn
        lasts = 0.0 if what in _MOMENTS else chance.uniform(*rhythm.lasts)
        target = chance.choice(daemons) if lane in {Lane.PROCESS, Lane.CLIENTS} and what != "clock step" else ""
        if what in _RESTARTS and target == steady(daemons) and at > _STEADY_AFTER * seconds:
            others = [daemon for daemon in daemons if daemon != target]
            what, target, lasts = (what, chance.choice(others), lasts) if others else ("pause", target, rhythm.lasts[0])
        if at + lasts > seconds - _LAST:
            return
        yield Event(round(at, 1), lane, what, round(lasts, 1), target, chance.randrange(1_000_000))
        at += lasts + chance.uniform(*rhythm.quiet)


def steady(daemons: Sequence[str]) -> str:
    """The daemon that is not restarted for most of a run."""
    return "alone" if "alone" in daemons else daemons[-1]


def _shuffled(chance: random.Random, what: tuple[str, ...]) -> Iterator[str]:
    """Yield items for ever, each one once before any comes again."""
    while True:
        yield from chance.sample(what, len(what))
