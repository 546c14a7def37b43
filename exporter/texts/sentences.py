"""Joins sentences of which some are left out."""

from __future__ import annotations

import functools
import string
from typing import TYPE_CHECKING

from exporter.texts.catalogue import OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_CHARACTERS = 1_000
"""Of a description, not counting the sentences that are not `lasting`: with the names in it, it has no other bound."""
_CHANGING = frozenset({"remaining", "link"})
"""Placeholders of sentences that come last: what changes with the time, and the link that receivers move elsewhere."""


def placeholders(template: str) -> frozenset[str]:
    """The names of the placeholders in a template."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


@functools.lru_cache(maxsize=1024)
def optional(sentence: str) -> tuple[str, ...]:
    """The placeholders of a sentence that may be empty, and it is left out then."""
    return tuple(sorted(placeholders(sentence) & OPTIONAL))


@functools.lru_cache(maxsize=1024)
def divided(sentences: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences that stay the same while an alert fires, and those after them."""
    first = next((number for number, one in enumerate(sentences) if placeholders(one) & _CHANGING), len(sentences))
    return sentences[:first], sentences[first:]


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


def lasting(sentences: tuple[str, ...], values: Mapping[str, str], space: str) -> str:
    """The sentences that stay the same while an alert fires, of at most `MOST_CHARACTERS`."""
    return shortened(joined(divided(sentences)[0], values, space))


def changing(sentences: tuple[str, ...], values: Mapping[str, str], space: str) -> str:
    """The sentences after those: what changes while an alert fires."""
    return joined(divided(sentences)[1], values, space)


def complete(sentences: tuple[str, ...], values: Mapping[str, str], space: str) -> str:
    """All sentences: `lasting`, and `changing` at the end."""
    parts = (lasting(sentences, values, space), changing(sentences, values, space))
    return space.join([part for part in parts if part])


def shortened(text: str) -> str:
    """The text, cut to `MOST_CHARACTERS`."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
