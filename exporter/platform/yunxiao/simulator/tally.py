"""Counts the requests to the simulated platform."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_SECONDS_KEPT = 10


class Tally:
    """Counts requests by subject (a user id or a path) and by second. Each connection has a thread."""

    def __init__(self) -> None:
        # Guards the fields below.
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._total = 0
        # Only the last seconds: a demo may run for weeks.
        self._seconds: Counter[int] = Counter()
        self._most_in_a_second = 0
        self._in_flight: Counter[str] = Counter()
        self._most_in_flight = 0
        self._overlaps = 0

    def requests(self, subject: str | None = None) -> int:
        """The number of requests with a subject; None for all."""
        with self._lock:
            return self._total if subject is None else self._requests[subject]

    def busiest_second(self) -> int:
        """The most requests that came within one second of the clock."""
        with self._lock:
            return self._most_in_a_second

    def most_at_once(self) -> int:
        """The most requests that were in flight at the same time."""
        with self._lock:
            return self._most_in_flight

    def overlaps(self) -> int:
        """How often a request came while another one with the same subject was in flight."""
        with self._lock:
            return self._overlaps

    @contextlib.contextmanager
    def request(self, subject: str, second: int) -> Iterator[int]:
        """Count a request, and that it is in flight inside the context; gives the requests of this second so far."""
        with self._lock:
            self._requests[subject] += 1
            self._total += 1
            self._seconds[second] += 1
            self._most_in_a_second = max(self._most_in_a_second, self._seconds[second])
            if len(self._seconds) > _SECONDS_KEPT:
                del self._seconds[min(self._seconds)]
            self._overlaps += self._in_flight[subject] > 0
            self._in_flight[subject] += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight.total())
            so_far = self._seconds[second]
        try:
            yield so_far
        finally:
            with self._lock:
                self._in_flight[subject] -= 1
                if not self._in_flight[subject]:
                    del self._in_flight[subject]
