from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages.catalog import Catalog
from hypothesis import given
from hypothesis import strategies as st

from scripts.make_docs import TRANSLATIONS, written
from scripts.reference.catalogue import (
    chinese,
    faults,
    kept,
    read_catalogue,
    translations,
    update,
    write_catalogue,
)
from scripts.reference.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping


def catalogue(entries: Mapping[str, str], *fuzzy: str) -> Catalog:
    catalog = Catalog(locale="zh_CN")
    for english, translation in entries.items():
        catalog.add(english, translation, flags={"fuzzy"} if english in fuzzy else set())
    return catalog


def file_with(folder: Path, entries: str) -> Path:
    file = folder / "texts.po"
    file.write_text(entries, encoding="utf-8")
    return file


# Faults


def test_a_complete_catalogue_has_no_fault() -> None:
    assert [*faults(catalogue({"Always.": "始终。", "`a` is 1.": "`a` 为 1。"}), ["Always.", "`a` is 1."])] == []


def test_a_text_without_an_entry_is_a_fault() -> None:
    assert [*faults(catalogue({"Always.": "始终。"}), ["Always.", "Never."])] == [
        '1: no entry for "Never."; run make docs, then translate it'
    ]


def test_an_entry_that_no_document_uses_is_a_fault_at_its_line(tmp_path: Path) -> None:
    file = file_with(tmp_path, 'msgid "Always."\nmsgstr "始终。"\n\nmsgid "Old."\nmsgstr "旧。"\n')
    assert [*faults(read_catalogue(file), ["Always."])] == ['4: no document uses "Old." any more; run make docs']


def test_an_entry_without_a_translation_is_a_fault(tmp_path: Path) -> None:
    file = file_with(tmp_path, 'msgid "Always."\nmsgstr ""\n')
    assert [*faults(read_catalogue(file), ["Always."])] == ['1: "Always." has no translation']


def test_a_fuzzy_translation_is_a_fault_and_not_used() -> None:
    catalog = catalogue({"Always, since 1.0.": "始终。", "Never.": "从不。"}, "Always, since 1.0.")
    (fault,) = faults(catalog, ["Always, since 1.0.", "Never."])
    assert fault.endswith('check the translation of "Always, since 1.0.", then remove the mark fuzzy')
    assert translations(catalog) == {"Never.": "从不。"}


def test_a_translation_that_changes_code_or_a_number_is_a_fault_that_names_both() -> None:
    (fault,) = faults(catalogue({"Set `poll.timeout` to 10.": "将 `timeout` 设为 10。"}), ["Set `poll.timeout` to 10."])
    assert fault.endswith('the translation of "Set `poll.timeout` to 10." differs in `poll.timeout`, `timeout`')


def test_a_fault_shortens_a_long_text() -> None:
    (fault,) = faults(catalogue({}), ["x" * 71])
    assert fault == f'1: no entry for "{"x" * 69}…"; run make docs, then translate it'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`a b` and `c`, `a b` again", {"`a b`", "`c`"}),
        ("{first} or {other}", {"{first}", "{other}"}),
        ("see [the commands](commands.md#init)", {"commands.md#init"}),
        (
            "see yunxiao_user_up, metrics.max_series and token_id.",
            {"yunxiao_user_up", "metrics.max_series", "token_id"},
        ),
        ("参见yunxiao_user_up。", {"yunxiao_user_up"}),
        ("from docs/scaling.md", {"docs/scaling.md"}),
        ("more than 10,000 in 15 minutes, then 0.", {"10,000", "15", "0"}),
        ("10,000 条，15 分钟", {"10,000", "15"}),
        ("the 95th percentile", {"95"}),
        ("an e-mail address. Or none", set()),
    ],
)
def test_code_placeholders_links_names_and_numbers_are_kept(text: str, expected: set[str]) -> None:
    assert kept(text) == expected


# Updates


def test_new_texts_are_added_in_the_order_of_the_documents_and_unused_ones_dropped(tmp_path: Path) -> None:
    catalog = catalogue({"Bytes of the body.": "正文的字节数。", "Old and gone.": "旧。"})
    update(catalog, ["Always.", "Bytes of the body."])
    write_catalogue(catalog, tmp_path / "texts.po")
    text = (tmp_path / "texts.po").read_text(encoding="utf-8")
    assert text.endswith('msgid "Always."\nmsgstr ""\n\nmsgid "Bytes of the body."\nmsgstr "正文的字节数。"\n\n')
    assert "Old" not in text


def test_a_changed_text_keeps_its_translation_as_a_proposal_with_the_text_it_was_made_for(tmp_path: Path) -> None:
    catalog = catalogue({"Time between two refreshes of the list.": "两次刷新列表之间的时间。"})
    update(catalog, ["Time between two refreshes of a list."])
    write_catalogue(catalog, tmp_path / "texts.po")
    assert (
        (tmp_path / "texts.po")
        .read_text(encoding="utf-8")
        .endswith(
            '#, fuzzy\n#| msgid "Time between two refreshes of the list."\n'
            'msgid "Time between two refreshes of a list."\nmsgstr "两次刷新列表之间的时间。"\n\n'
        )
    )


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1),
        max_size=4,
    )
)
def test_translations_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str]
) -> None:
    file = tmp_path_factory.mktemp("catalogue") / "texts.po"
    write_catalogue(catalogue(entries), file)
    assert translations(read_catalogue(file)) == entries


# The catalogue of this repository

ENTRIES = [(str(message.id), chinese(message)) for message in read_catalogue(TRANSLATIONS) if message.id]
PIECES = [
    piece
    for name in ("metrics.md", "configuration.md")
    for line in (TRANSLATIONS.parent / name).read_text(encoding="utf-8").splitlines()
    for piece in re.split(r" ?\| ?|<!-- | -->", line)
    if not line.startswith("  ")
]
"""The lines and cells of the documents, without the queries."""
HAN = r"[\u4e00-\u9fff]"
WIDE = "，。；：？！、（）"


def test_the_translations_of_the_documents_are_complete_and_nothing_more() -> None:
    text = Texts()
    written(text)
    assert [*faults(read_catalogue(TRANSLATIONS), text.used)] == []


def test_updating_a_complete_catalogue_changes_no_byte(tmp_path: Path) -> None:
    text = Texts()
    written(text)
    catalog = read_catalogue(TRANSLATIONS)
    update(catalog, text.used)
    write_catalogue(catalog, tmp_path / "texts.po")
    assert (tmp_path / "texts.po").read_bytes() == TRANSLATIONS.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "example"),
    [
        (rf"{HAN}[,;:?!()]|[,;:?!()]{HAN}", "令牌,用户"),
        (rf"{HAN}\.(?!\w)", "令牌."),
        (rf"{HAN}[A-Za-z0-9`{{+]|[A-Za-z0-9`}}]{HAN}", "令牌token"),
        (rf" [{WIDE}]|[{WIDE}] ", "令牌 ，用户"),
        (r"  ", "令牌  用户"),
        (rf"{HAN} {HAN}", "令牌 用户"),
    ],
)
def test_the_documents_keep_the_habits_of_chinese_typography(wrong: str, example: str) -> None:
    assert re.search(wrong, example)
    assert [piece for piece in PIECES if re.search(wrong, piece)] == []


def test_a_sentence_ends_in_both_languages_or_in_neither() -> None:
    templates = {"{value}: {meaning}"}
    odd = [english for english, translation in ENTRIES if english.endswith(".") != translation.endswith("。")]
    assert {*odd} - templates == set()
