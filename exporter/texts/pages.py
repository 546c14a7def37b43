"""The words of the pages, in each language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.texts import pages_en, pages_zh
from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Mapping[Language, Mapping[str, str]] = {Language.EN: pages_en.WORDS, Language.ZH: pages_zh.WORDS}


def page_words(language: Language) -> Mapping[str, str]:
    """The words of the pages in a language, as templates with placeholders such as ``{count}``."""
    return _WORDS[language]
