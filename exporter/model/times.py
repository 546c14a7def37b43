"""Which numbers can be times."""

from __future__ import annotations

_END_OF_TIME = 253_402_300_800.0
"""The end of the year 9999, the last that `datetime` supports."""


def is_time(epoch: float) -> bool:
    """Whether a number read from storage can be a time of this exporter; NaN and infinity are none."""
    return 0 <= epoch < _END_OF_TIME
