"""Durations in the format of Prometheus: ``90s``, ``1h30m``, ``14d``.

The grammar is that of Prometheus' configuration file (``<duration>``): units from years to milliseconds, each at most
once, largest first. https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

from __future__ import annotations

import re

_UNITS = (
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
)
_PATTERN = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit, _ in _UNITS))
_LONGEST_MS = 100 * 365 * 86_400_000


def parse_duration(text: str) -> float:
    """Parse a duration into seconds.

    Raises:
        ValueError: the text is not a valid duration, or longer than 100 years.
    """
    match = _PATTERN.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or match is None:
        raise ValueError(f"{text!r} is not a valid duration; write it as in Prometheus, such as 90s, 1h30m or 14d")
    total = sum(int(number) * size for number, (_, size) in zip(match.groups(), _UNITS, strict=True) if number)
    if total > _LONGEST_MS:
        raise ValueError(f"{text!r} is longer than 100 years")
    return total / 1000


def format_duration(seconds: float) -> str:
    """Format seconds as a duration that `parse_duration` can parse, rounded to milliseconds."""
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s"
    parts = []
    # Without years and weeks, because expiry rules usually have 365d and 14d.
    for unit, size in _UNITS[2:]:
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
