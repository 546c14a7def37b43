from __future__ import annotations

import re

from exporter.texts.catalogue import Language
from scripts.reference.configuration import body
from scripts.reference.texts import Texts


def rows(written: str) -> dict[str, list[str]]:
    """The cells of the rows, by the key in the first one."""
    cells = [line.strip("| ").split(" | ") for line in written.splitlines() if line.startswith("| `")]
    return {row[0]: row[1:] for row in cells}


def test_a_default_of_one_is_a_number() -> None:
    assert rows(body(Texts()))["`replicas`"][:2] == ["whole number", "`1`"]


def test_defaults_of_switches_durations_numbers_and_null_are_written_as_in_yaml() -> None:
    documented = rows(body(Texts()))
    assert {key: documented[f"`{key}`"][1] for key in ("relative", "spread", "stale_after", "max_series", "path")} == {
        "relative": "`true`",
        "spread": "`true`",
        "stale_after": "`1h`",
        "max_series": "`1000000`",
        "path": "`null`",
    }


def test_types_defaults_and_meanings_are_translated_and_keys_are_not() -> None:
    translations = {
        "key": "键",
        "whole number": "整数",
        "{first} or {other}": "{first} 或 {other}",
        "text or null": "文本或 null",
        "text": "文本",
        "required": "必填",
        "Id of the token; must match exactly.": "令牌的 id；必须完全匹配。",
    }
    written = body(Texts(Language.ZH, translations))
    assert rows(written)["`token_id`"] == ["文本或 null", "`null`", "令牌的 id；必须完全匹配。"]
    assert rows(written)["`max_series`"][0] == "整数"
    assert rows(written)["`language`"][0] == "`en` 或 `zh`"
    assert rows(written)["`endpoint`"][:2] == ["文本", "必填"]


def test_sections_are_the_same_in_every_language() -> None:
    headings = re.compile(r"^## `.*`$", re.MULTILINE)
    in_english = headings.findall(body(Texts()))
    assert "## `organizations[].users.discover`" in in_english
    assert headings.findall(body(Texts(Language.ZH, {"Total time for one request.": "时间"}))) == in_english
