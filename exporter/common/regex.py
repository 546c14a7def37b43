"""Regular expressions of RE2, compiled once: linear time, and the syntax that Prometheus rules use too."""

from __future__ import annotations

import functools
from typing import Any

import re2


@functools.lru_cache(maxsize=1024)
def compiled_regex(pattern: str) -> Any:
    """The compiled form of a regular expression.

    Raises:
        ValueError: it is not valid in RE2, which has neither look-around nor back-references.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0]
        detail = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(
            f"is not a valid RE2 regular expression: {detail}; check brackets and backslashes, and do not use "
            "look-around or back-references, which Prometheus rules do not support"
        ) from None
