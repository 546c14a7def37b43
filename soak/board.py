"""All invariants of a run: what was checked, the worst values, and the violations."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.bounds import Bounds, Scale
from soak.invariants import Freshness, Growth, Health, Leadership, LogRate, Removed, Resources
from soak.measure import Duration, Worst
from soak.samples import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SECRET = "secret shown"


@dataclass(frozen=True, slots=True)
class Checks:
    """One of each invariant."""

    resources: Resources
    growth: Growth
    leadership: Leadership
    freshness: Freshness
    shown: Removed
    stored: Removed
    health: Health
    log: LogRate
    scrape: Duration
    exit: Duration
    ready: Duration
    reload: Duration


class Board:
    """Collects violations from all threads of the soak test.

    Args:
        scale: the size of the run.
        warm_up: seconds after which memory must not grow any more.
        evidence: called with each violation that is recorded; returns lines that explain it.
        keep_going: record the first violation of each invariant and continue, instead of stopping at the first one.
    """

    def __init__(
        self, scale: Scale, warm_up: float, evidence: Callable[[Violation], Sequence[str]], *, keep_going: bool
    ) -> None:
        self.bounds = Bounds(scale)
        self.checks = Checks(
            Resources(self.bounds),
            Growth(self.bounds, warm_up, min(30.0, warm_up / 2)),
            Leadership(self.bounds),
            Freshness(self.bounds),
            Removed("removed, but shown", self.bounds.removed_shown),
            Removed("removed, but stored", self.bounds.removed_stored),
            Health(self.bounds),
            LogRate(self.bounds),
            Duration("scrape", self.bounds.scrape),
            Duration("exit", self.bounds.exit),
            Duration("ready", self.bounds.ready),
            Duration("reload", 10.0),
        )
        self.failed = threading.Event()
        self._keep_going = keep_going
        # Guards violations.
        self._lock = threading.Lock()
        self._violations: dict[str, tuple[Violation, tuple[str, ...]]] = {}
        self._evidence = evidence

    @property
    def violations(self) -> tuple[tuple[Violation, tuple[str, ...]], ...]:
        """The first violation of each invariant with its evidence, in the order of their occurrence."""
        with self._lock:
            return tuple(self._violations.values())

    def record(self, violations: Iterable[Violation]) -> None:
        """Record violations."""
        for violation in violations:
            with self._lock:
                if violation.invariant not in self._violations:
                    self._violations[violation.invariant] = (violation, tuple(self._evidence(violation)))
            if not self._keep_going:
                self.failed.set()

    def violate(self, invariant: str, at: float, text: str, daemon: str = "") -> None:
        """Record a violation that is not a value above a bound."""
        self.record([Violation(invariant, at, text, daemon)])

    @property
    def worst(self) -> tuple[Worst, ...]:
        """The worst value of each invariant, relative to its bound."""
        checks = self.checks
        return (
            *checks.resources.worst,
            checks.growth.worst,
            *checks.leadership.worst,
            *checks.freshness.worst,
            checks.shown.worst,
            checks.stored.worst,
            checks.health.worst,
            checks.scrape.worst,
            checks.exit.worst,
            checks.ready.worst,
            checks.reload.worst,
            *checks.log.worst,
        )
