"""Each text exists in both languages, with the same placeholders, and in Chinese with Chinese punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from string import Formatter

import pytest

from exporter.alerts.definitions import ALL_TEXTS
from exporter.model.state import Reason
from exporter.model.token import CredentialKind
from exporter.policies.builtin import POLICIES
from exporter.texts.catalogue import LANGUAGE_NAMES, Language, catalogue

EN, ZH = catalogue(Language.EN), catalogue(Language.ZH)
SHORT = {"units", "colon", "comma", "semicolon", "brackets", "space"}


def texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """All texts with their place. The sentences of a description count as one text."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, tuple):
        yield path, " ".join(value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from texts(one, f"{path}.{key}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name), f"{path}.{field.name}".strip("."))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_texts_with_the_same_placeholders() -> None:
    english, chinese = dict(texts(EN)), dict(texts(ZH))
    assert english.keys() == chinese.keys()
    assert {path: placeholders(text) for path, text in english.items()} == {
        path: placeholders(text) for path, text in chinese.items()
    }
    # Empty is the same in both.
    assert [path for path in english if path != "space" and bool(english[path]) != bool(chinese[path])] == []


def test_every_alert_policy_reason_and_kind_has_its_texts_and_no_other_has() -> None:
    for words in (EN, ZH):
        assert words.alerts.keys() == {definition.text_name for definition in ALL_TEXTS}
        assert words.policies.keys() == {policy.name for policy in POLICIES}
        assert words.reasons.keys() == {reason.value for reason in Reason}
        assert words.credentials.keys() == {kind.value for kind in CredentialKind}
    assert LANGUAGE_NAMES.keys() == {*Language}


def test_a_summary_about_a_token_names_user_token_and_time() -> None:
    for words in (EN, ZH):
        for name in ("Info", "Warning", "Critical"):
            summary = words.alerts[f"YunxiaoTokenExpiring{name}"].summary
            assert placeholders(summary) >= {"user", "token", "local"}
        assert all("\n" not in text.summary for text in words.alerts.values())


@pytest.mark.parametrize(("path", "text"), [pair for pair in texts(ZH) if pair[0].split(".")[0] not in SHORT])
def test_chinese_texts_have_chinese_words_and_punctuation(path: str, text: str) -> None:
    if text and not path.startswith("where"):
        assert re.search("[\u4e00-\u9fff]", text), text
    assert not re.search("[\u4e00-\u9fff}][,;:?!]|[,;?!][\u4e00-\u9fff]|[()]", text), text


def test_durations() -> None:
    assert [EN.duration(rough) for rough in ("13d", "5h", "0s")] == ["13d", "5h", "0s"]
    assert [ZH.duration(rough) for rough in ("13d", "5h", "3m", "0s")] == [
        "13 \u5929",
        "5 \u5c0f\u65f6",
        "3 \u5206\u949f",
        "0 \u79d2",
    ]
