from __future__ import annotations

import pytest

from exporter.texts.catalogue import Language
from scripts.reference.texts import Texts


def chinese(**translations: str) -> Texts:
    return Texts(Language.ZH, translations)


def test_english_texts_stay_as_they_are_with_their_line_breaks() -> None:
    assert Texts()("Of two\nlines.") == "Of two\nlines."


def test_a_translation_is_found_wherever_the_lines_of_the_english_text_break() -> None:
    text = Texts(Language.ZH, {"Of two lines.": "两行。"})
    assert text("Of two\nlines.") == "两行。"


def test_a_text_without_a_translation_stays_english() -> None:
    assert chinese(always="始终")("never") == "never"


def test_values_replace_placeholders_in_the_translation() -> None:
    assert (
        Texts(Language.ZH, {"As {section}.": "与 {section} 相同。"})("As {section}.", section="`tls`")
        == "与 `tls` 相同。"
    )


def test_braces_stay_in_a_text_without_values() -> None:
    assert Texts()("such as {a: 1}") == "such as {a: 1}"


def test_texts_that_were_used_are_recorded_once_in_their_order() -> None:
    text = Texts()
    for english in ("b", "a\nb", "b", "a b"):
        text(english)
    assert text.used == ("b", "a b")


@pytest.mark.parametrize(("parts", "expected"), [([], ""), (["`a`"], "`a`"), (["`a`", "`b`", "`c`"], "`a`、`b`、`c`")])
def test_parts_are_listed_with_the_separator_of_the_language(parts: list[str], expected: str) -> None:
    assert Texts(Language.ZH, {"{first}, {other}": "{first}、{other}"}).all_of(parts) == expected


def test_alternatives_are_listed_with_the_word_of_the_language() -> None:
    assert Texts().one_of(["`a`", "`b`", "`c`"]) == "`a` or `b` or `c`"
    assert Texts(Language.ZH, {"{first} or {other}": "{first} 或 {other}"}).one_of(["`a`", "null"]) == "`a` 或 null"
