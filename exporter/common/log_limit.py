"""Limits how often a message is logged, if clients or a broken system can cause it at any rate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.worker import MonotonicClock

_LINES = 1
_PERIOD = 60.0
_MAX_KEYS = 256


@dataclass(slots=True)
class _Window:
    """The lines of one message since the period began."""

    began: float
    written: int
    suppressed: int


class LogLimit:
    """Allows a number of lines per period for each message. Thread-safe.

    Use it like this::

        if (suppressed := limit.allow("request refused")) is not None:
            log.warning("request refused", suppressed=suppressed)

    Args:
        clock: monotonic time.
        suppressed: called for each suppressed line, to count it.
        lines: maximum lines of one message per period.
        period: seconds.
    """

    def __init__(
        self, clock: MonotonicClock, suppressed: Callable[[], None], *, lines: int = _LINES, period: float = _PERIOD
    ) -> None:
        self._clock = clock
        self._suppressed = suppressed
        self._lines = lines
        self._period = period
        # Guards _windows, oldest message first, at most _MAX_KEYS of them.
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def allow(self, key: str) -> int | None:
        """Whether a line may be written now.

        Args:
            key: identifies the message, without the parts that change from line to line.

        Returns:
            The number of lines suppressed since the last one was written; None to suppress this line too.
        """
        now = self._clock.monotonic()
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window(now, 0, 0)
                if len(self._windows) > _MAX_KEYS:
                    self._windows.popitem(last=False)
            elif now - window.began >= self._period:
                window.began, window.written = now, 0
                self._windows.move_to_end(key)
            if window.written < self._lines:
                window.written += 1
                suppressed, window.suppressed = window.suppressed, 0
                return suppressed
            window.suppressed += 1
        self._suppressed()
        return None
