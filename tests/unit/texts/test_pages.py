"""The words of the pages: the same in both languages, and each is used."""

from __future__ import annotations

import re
import string
from pathlib import Path

from exporter.model.event import Change
from exporter.model.severity import Severity
from exporter.model.token import CredentialKind, TokenState
from exporter.state.criteria import PollStatus
from exporter.texts.catalogue import Language
from exporter.texts.pages import page_words
from exporter.web.urgency import Urgency

WEB = Path(__file__).resolve().parents[3] / "exporter" / "web"
PREFIXES = {
    "state": TokenState, "event": Change, "status": PollStatus, "severity": Severity, "urgency": Urgency,
    "kind": CredentialKind,
}  # fmt: skip
MADE = {f"{prefix}_{one.value}" for prefix, values in PREFIXES.items() for one in values}
"""Keys that are made from values."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_have_the_same_words_with_the_same_placeholders() -> None:
    english, chinese = page_words(Language.EN), page_words(Language.ZH)
    assert [*english] == [*chinese] == sorted(english)
    assert [key for key in english if placeholders(english[key]) != placeholders(chinese[key])] == []


def test_every_value_has_a_word() -> None:
    assert {*page_words(Language.EN)} >= MADE


def test_every_word_is_used() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in sorted(WEB.rglob("*")) if path.suffix in {".py", ".html"}
    )
    used = {*re.findall(r'["\']([a-z_]+)["\']', sources)} | MADE
    assert {*page_words(Language.EN)} - used == set()
