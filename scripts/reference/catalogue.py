"""The catalogue of translations, a PO file. Its keys are the English texts, so a changed text has no translation."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from babel.messages.catalog import Message

_WIDTH = 100
_HEADER = r"""# Chinese texts of the documents that `make docs` generates in docs/zh.
# msgid is the English text in the code, msgstr its translation. Code, names and numbers stay as they are.
# `make docs` adds new texts, and marks the translation of a changed text as fuzzy. `make lint` finds what is missing.
msgid ""
msgstr ""
"Project-Id-Version: yunxiao-token-exporter\n"
"Language: zh_CN\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=1; plural=0;\n"

"""
_KEPT = re.compile(
    r"`[^`]+`"  # code
    r"|\{\w+\}"  # placeholders
    r"|(?<=\]\()[^)]+"  # targets of links
    r"|(?<![A-Za-z0-9])[A-Za-z]\w*(?:[._/-][A-Za-z0-9]\w*)*(?:_total|_seconds|\.md)"  # metrics and documents
    r"|(?<![A-Za-z0-9_])[a-z][a-z0-9]*(?:[._][a-z0-9]+)+(?![A-Za-z0-9_])"  # keys, labels and their values
    r"|(?<![A-Za-z0-9_])\d+(?:,\d{3})*",  # numbers
    re.ASCII,
)
"""What a translation must leave as it is."""


def read_catalogue(file: Path) -> Catalog:
    """The catalogue in a file."""
    with file.open("rb") as stream:
        return read_po(stream, locale="zh_CN", abort_invalid=True)


def write_catalogue(catalog: Catalog, file: Path) -> None:
    """Writes the catalogue; texts that are no longer used are dropped."""
    entries = io.BytesIO()
    write_po(entries, catalog, width=_WIDTH, omit_header=True, ignore_obsolete=True, include_previous=True)
    file.write_text(_HEADER + entries.getvalue().decode(), encoding="utf-8")


def translations(catalog: Catalog) -> dict[str, str]:
    """The finished translations by English text."""
    return {english(message): chinese(message) for message in _messages(catalog) if _finished(message)}


def update(catalog: Catalog, used: Iterable[str]) -> None:
    """Adds the texts that are missing, in the order of the documents, and drops those that are no longer used.

    A new text that is similar to a dropped one gets its translation, marked as fuzzy: a person must check it.
    """
    template = Catalog()
    for text in used:
        template.add(text)
    catalog.update(template, update_creation_date=False)


def faults(catalog: Catalog, used: Iterable[str]) -> Iterator[str]:
    """What is wrong with the catalogue of documents that use these English texts, as lines that start with its line."""
    known = {english(message): message for message in _messages(catalog)}
    used = dict.fromkeys(used)
    for text in used:
        if text not in known:
            yield f"1: no entry for {_short(text)}; run make docs, then translate it"
    for text, message in known.items():
        if text not in used:
            yield f"{message.lineno}: no document uses {_short(text)} any more; run make docs"
        elif message.fuzzy:
            yield f"{message.lineno}: check the translation of {_short(text)}, then remove the mark fuzzy"
        elif not message.string:
            yield f"{message.lineno}: {_short(text)} has no translation"
        elif kept(text) != kept(chinese(message)):
            names = ", ".join(sorted(kept(text) ^ kept(chinese(message))))
            yield f"{message.lineno}: the translation of {_short(text)} differs in {names}"


def kept(text: str) -> frozenset[str]:
    """The parts of a text that its translation must have as well: code, placeholders, links, names and numbers."""
    return frozenset(_KEPT.findall(text))


def english(message: Message) -> str:
    """The key of an entry."""
    return str(message.id)


def chinese(message: Message) -> str:
    """The translation of an entry; empty if it has none."""
    return str(message.string)


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _finished(message: Message) -> bool:
    return bool(message.string) and not message.fuzzy


def _short(text: str) -> str:
    limit = 70
    return f'"{text if len(text) <= limit else text[: limit - 1] + "…"}"'
