"""Values and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.samples import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Worst:
    """The worst value of an invariant.

    Attributes:
        name: the invariant.
        unit: of value and bound.
        value: the worst value so far, relative to its bound.
        bound: the bound at that time.
        at: the time of that value.
        where: which daemon.
        checks: number of checks.
    """

    name: str
    unit: str
    value: float = 0.0
    bound: float = 0.0
    at: float = 0.0
    where: str = ""
    checks: int = 0

    def see(self, at: float, where: str, value: float, bound: float) -> bool:
        """Record a value; returns whether it is above the bound."""
        self.checks += 1
        if not self.bound or value * self.bound > self.value * bound:
            self.at, self.where, self.value, self.bound = at, where, value, bound
        return value > bound

    def violation(self, at: float, where: str, value: float, bound: float, more: str = "") -> Violation:
        """The violation for a value above the bound."""
        said = f"{where}: {self.name} {value:,.1f} {self.unit}, limit {bound:,.1f}"
        return Violation(self.name, at, said + (f"; {more}" if more else ""), where.rpartition(" ")[2])


class Duration:
    """Something takes no longer than a limit: an answer, an exit, a start."""

    def __init__(self, name: str, bound: float) -> None:
        self.bound = bound
        self.worst = Worst(name, "s")

    def check(self, at: float, where: str, seconds: float, more: str = "") -> Iterator[Violation]:
        """Check one duration."""
        if self.worst.see(at, where, seconds, self.bound):
            yield self.worst.violation(at, where, seconds, self.bound, more)
