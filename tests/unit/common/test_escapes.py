from __future__ import annotations

import itertools
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.escapes import unescape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a%2Fb%2fc", "a/b/c"),
        ("%E5%BC%A0", "张"),
        (r"\u5f20\u4e09", "张三"),
        (r"\ud83d\ude00!", "😀!"),
        (r"\x41\xe9", "Aé"),
        (r"\xc3\xa9", "é"),
        (r"\U0001F600", "😀"),
        (r"\"a\/b\\", '"a/b\\'),
        (r"a\nb\tc", "a\nb\tc"),
        ("&lt;&#x41;&#66;&amp;", "<AB&"),
    ],
)
def test_escapes_of_urls_json_python_and_html_are_undone(text: str, expected: str) -> None:
    unescaped = unescape(text)
    assert unescaped is not None
    assert unescaped.text == expected


@pytest.mark.parametrize("text", ["", "plain", "100% of a & b", "C:\\dir", "%zz", "&nothing;"])
def test_text_without_escapes_gives_none(text: str) -> None:
    assert unescape(text) is None


def test_each_character_maps_to_its_origin() -> None:
    unescaped = unescape(r"x%2F\u5f20y")
    assert unescaped is not None
    assert unescaped.text == "x/张y"
    # x is the first character, %2F the next three, the six of \u5f20 follow, y is the eleventh
    assert [unescaped.origin(at, at + 1) for at in range(4)] == [(0, 1), (1, 4), (4, 10), (10, 11)]
    assert unescaped.origin(1, 3) == (1, 10)


def test_a_span_that_splits_an_escape_is_extended() -> None:
    unescaped = unescape(r"ab\u5f20cd")
    assert unescaped is not None
    assert unescaped.whole(4, 9) == (2, 9)
    assert unescaped.whole(0, 3) == (0, 8)
    assert unescaped.whole(0, 2) == (0, 2)
    assert unescaped.whole(8, 10) == (8, 10)


# A "%41" in JSON is read as an escape of a URL.
@given(st.text(st.characters(exclude_characters="%&", codec="utf-8"), max_size=40))
def test_escapes_of_json_round_trip(text: str) -> None:
    escaped = json.dumps(text)[1:-1]
    unescaped = unescape(escaped)
    assert (escaped if unescaped is None else unescaped.text) == text


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_escapes_of_urls_round_trip(text: str) -> None:
    escaped = urllib.parse.quote(text, safe="")
    unescaped = unescape(escaped)
    assert (escaped if unescaped is None else unescaped.text) == text


@given(st.text(alphabet=st.sampled_from("%\\ux0aF&#;lt/\"'dD8U1"), max_size=60))
def test_positions_ascend_within_the_text(text: str) -> None:
    unescaped = unescape(text)
    if unescaped is None:
        return
    places = [unescaped.origin(at, at + 1) for at in range(len(unescaped.text))]
    assert all(start < end for start, end in places)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(places))
    if places:
        assert (places[0][0], places[-1][1]) == (0, len(text))
