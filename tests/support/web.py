"""Parts of the HTTP side with counters that tests read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.common.log_limit import LogLimit
from exporter.web.refusals import Refusals

if TYPE_CHECKING:
    from exporter.common.worker import MonotonicClock
    from exporter.metrics.families.http import Refusal


class CountedRefusals(Refusals):
    """Refusals that can be looked up, by reason."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.seen: Counter[Refusal] = Counter()
        self.internal_errors: Counter[str] = Counter()
        super().__init__(
            lambda reason: self.seen.update([reason]),
            LogLimit(clock, lambda: None),
            lambda where: self.internal_errors.update([where]),
        )
