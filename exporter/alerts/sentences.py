"""Joins sentences of which some are left out."""

from __future__ import annotations

import functools
import string
from typing import TYPE_CHECKING

from exporter.texts.catalogue import OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def placeholders(template: str) -> frozenset[str]:
    """The names of the placeholders in a template."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


@functools.lru_cache(maxsize=1024)
def optional(sentence: str) -> tuple[str, ...]:
    """The placeholders of a sentence that may be empty, and it is left out then."""
    return tuple(sorted(placeholders(sentence) & OPTIONAL))


def joined(sentences: Iterable[str], values: Mapping[str, str], space: str) -> str:
    """The sentences with their values, without those that have an optional placeholder without a value.

    Args:
        sentences: templates.
        values: by placeholder.
        space: between two sentences.
    """
    return space.join(
        sentence.format_map(values) for sentence in sentences if all(values.get(name) for name in optional(sentence))
    )
