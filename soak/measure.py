"""A number beside its bound: how close a promise came to being broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.samples import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Worst:
    """How close a promise came to being broken.

    Attributes:
        name: the promise.
        unit: of value and bound.
        value: the worst one so far, measured by its share of the bound.
        bound: what was allowed then.
        at: when that was.
        where: which daemon.
        checks: how often it was checked.
    """

    name: str
    unit: str
    value: float = 0.0
    bound: float = 0.0
    at: float = 0.0
    where: str = ""
    checks: int = 0

    def see(self, at: float, where: str, value: float, bound: float) -> bool:
        """Note a value; whether it is above the bound."""
        self.checks += 1
        if not self.bound or value * self.bound > self.value * bound:
            self.at, self.where, self.value, self.bound = at, where, value, bound
        return value > bound

    def violation(self, at: float, where: str, value: float, bound: float, more: str = "") -> Violation:
        """The violation that this value is."""
        said = f"{where}: {self.name} {value:,.1f} {self.unit}, allowed are {bound:,.1f}"
        return Violation(self.name, at, said + (f"; {more}" if more else ""), where.rpartition(" ")[2])


class Duration:
    """Something is done in time: an answer, an exit, a start."""

    def __init__(self, name: str, bound: float) -> None:
        self.bound = bound
        self.worst = Worst(name, "s")

    def check(self, at: float, where: str, seconds: float, more: str = "") -> Iterator[Violation]:
        """Check how long it took."""
        if self.worst.see(at, where, seconds, self.bound):
            yield self.worst.violation(at, where, seconds, self.bound, more)
