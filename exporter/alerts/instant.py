"""A point in time at which conditions are evaluated, and until when what was found then stays true."""

from __future__ import annotations

import math

from exporter.common.text import same_words
from exporter.model.token import NEVER

_ROUNDING = 1e-6
"""Seconds; more than the rounding error of the difference of two epoch times."""


class Instant:
    """The time ``now`` of an evaluation. Conditions compare times through it, so that no change of a result is missed.

    Attributes:
        now: epoch seconds.
        until: epoch seconds until which time alone changes no answer given so far; `NEVER` if it never does. May be
            earlier than the next change, never later.
    """

    __slots__ = ("now", "until")

    def __init__(self, now: float) -> None:
        self.now = now
        self.until = NEVER

    def reached(self, at: float) -> bool:
        """Whether ``at`` is now or in the past."""
        if at <= self.now:
            return True
        self.until = min(self.until, at)
        return False

    def passed(self, at: float) -> bool:
        """Whether ``at`` is in the past."""
        if at < self.now:
            return True
        self.check_again(at)
        return False

    def check_again(self, at: float) -> None:
        """Evaluate again at ``at`` or, if that is not in the future, with the next evaluation."""
        if at < self.until:
            self.until = at if at > self.now else math.nextafter(self.now, NEVER)

    def words_about(self, at: float) -> None:
        """Evaluate again as soon as the distance to ``at``, rounded as in texts, changes."""
        self.check_again(self.words_until(at))

    def words_until(self, at: float) -> float:
        """Epoch seconds, in the future, at which the distance to ``at``, rounded as in texts, changes."""
        if at == NEVER:
            return NEVER
        shortest, longer = same_words(abs(at - self.now))
        until = (at + longer if at <= self.now else at - shortest) - _ROUNDING
        return until if until > self.now else math.nextafter(self.now, NEVER)
