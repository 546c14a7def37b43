"""Which language a client reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from exporter.texts.catalogue import Language
from exporter.web.languages import accepted_language, language_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", Language.ZH),
        ("en-US,en;q=0.9,zh;q=0.8", Language.EN),
        ("de-DE, zh-Hant ; q=0.5, en;q=0.6", Language.EN),
        ("ZH", Language.ZH),
        ("en;q=0, zh;q=0.1", Language.ZH),
        ("en;q=0.5,zh;q=0.5", Language.EN),
        ("fr", None),
        ("*", None),
        ("zh;q=2, en;level=1", None),
        ("", None),
        (",".join(["fr"] * 20 + ["zh"]), None),
    ],
)
def test_the_accepted_language_with_the_highest_weight_counts(header: str, expected: Language | None) -> None:
    assert accepted_language(header) is expected


@given(st.text())
def test_any_header_is_read(header: str) -> None:
    assert accepted_language(header) in {None, *Language}


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        (b"lang=en", b"zh", Language.EN),
        (b"lang=fr", b"zh", Language.ZH),
        (b"", b"zh", Language.ZH),
        (b"", b"fr", Language.EN),
    ],
)
def test_the_query_comes_before_the_header_and_the_default(query: bytes, accept: bytes, expected: Language) -> None:
    request = Request({"type": "http", "query_string": query, "headers": [(b"accept-language", accept)]})
    assert language_of(request, Language.EN) is expected
