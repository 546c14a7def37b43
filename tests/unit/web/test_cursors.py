"""Places in lists as text."""

from __future__ import annotations

import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_token

from exporter.model.user import User
from exporter.platform.yunxiao.fields import ID_LENGTH, NAME_LENGTH
from exporter.state.token_order import Entry, by_expiry
from exporter.web.cursors import cursor, place
from exporter.web.parameters import ParameterError

KEY = by_expiry("acme", Entry(User("1", "李\ud800"), a_token(), 0))


@given(st.floats(allow_nan=False), st.text())
def test_a_place_comes_back_as_it_was(value: float, name: str) -> None:
    for sort, key in (("expires", KEY), ("-created", (value, *KEY)), ("token", (name, *KEY))):
        assert place(cursor("tokens", sort, key), "tokens", sort) == key


def test_a_place_at_infinity_comes_back() -> None:
    assert place(cursor("users", "expires", (math.inf, "li", "acme", "1")), "users", "expires")[0] == math.inf


@pytest.mark.parametrize("character", ["\U0001f600", "李", '"', "\ud800"])
def test_the_cursor_after_a_row_with_the_longest_texts_is_accepted(character: str) -> None:
    name, long_id = character * NAME_LENGTH, character * ID_LENGTH
    key = (name, 1.0, name, name, long_id, long_id, "ssh_key", 999.0)
    assert place(cursor("tokens", "token", key), "tokens", "token") == key


def encoded(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "x", "", "!!!!", "A" * 9000, encoded(), encoded("tokens"), encoded(1, 2), encoded("tokens", "expires", 1.0),
        encoded("tokens", "expires", *("x" for _ in KEY)), encoded("tokens", "expires", *KEY, 1),
        encoded("tokens", "expires", math.nan, *KEY[1:]), encoded("tokens", "expires", True, *KEY[1:]),
        encoded("tokens", "expires", 10**400, *KEY[1:]),
        encoded("tokens", "expires", -(10**400), *KEY[1:]), encoded("tokens", "expires", [], *KEY[1:]),
        base64.b64encode(b"5").decode(),
        base64.b64encode(b"[" * 900).decode(),
    ],
)  # fmt: skip
def test_a_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"cursor (is damaged|belongs)"):
        place(text, "tokens", "expires")


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        place(text, "tokens", "expires")


def test_a_cursor_of_another_list_or_order_is_refused() -> None:
    text = cursor("tokens", "expires", KEY)
    for listed, sort in (("violations", "expires"), ("tokens", "-expires"), ("tokens", "token")):
        with pytest.raises(ParameterError, match="belongs to another list or order"):
            place(text, listed, sort)
