"""Ids that are listed with a part of their characters hidden."""

from __future__ import annotations

import re

_HIDDEN = re.compile(r"\*+")


def fits(masked: str, text: str) -> bool:
    """Whether a masked text may stand for a text: ``*`` stands for any number of characters, all others for themselves.

    Args:
        masked: the masked text. Without a ``*`` it stands for itself alone.
        text: the whole text.
    """
    # Not a regular expression: with many stars a hostile server could make it backtrack forever.
    first, *rest = _HIDDEN.split(masked)
    if not rest:
        return masked == text
    *middle, last = rest
    position, end = len(first), len(text) - len(last)
    if position > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:
        at = text.find(part, position, end)
        if at < 0:
            return False
        position = at + len(part)
    return True
