"""The texts of a document in one language, and a record of those it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Texts:
    """Translates the texts of a document, and records them.

    Args:
        language: the language of the document.
        translations: the translations by English text; None for English itself.
    """

    def __init__(self, language: Language = Language.EN, translations: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._translations = translations
        self._used: dict[str, None] = {}

    @property
    def used(self) -> tuple[str, ...]:
        """The English texts that were asked for, each once, in the order of their first use."""
        return tuple(self._used)

    def __call__(self, english: str, **values: str) -> str:
        """The text in this language, or in English if it has no translation.

        Args:
            english: the English text. Its line breaks do not matter for the translation; only English keeps them.
            values: what replaces the placeholders in braces; without values, braces stay as they are.
        """
        key = " ".join(english.split())
        self._used[key] = None
        text = english if self._translations is None else self._translations.get(key, english)
        return text.format(**values) if values else text

    def all_of(self, parts: Iterable[str]) -> str:
        """A list of parts that are in this language already; empty if there are none."""
        first, *others = [*parts] or [""]
        for other in others:
            first = self("{first}, {other}", first=first, other=other)
        return first

    def one_of(self, parts: Iterable[str]) -> str:
        """Alternatives that are in this language already; at least one."""
        first, *others = parts
        for other in others:
            first = self("{first} or {other}", first=first, other=other)
        return first
