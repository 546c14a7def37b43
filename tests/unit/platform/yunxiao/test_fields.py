from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.redaction import Redactor
from exporter.platform.base import TRUNCATED_FIELDS
from exporter.platform.yunxiao.fields import MARK, TOKEN_NAME, Fields, Limit

SECRET = "pt-0a1b2c3d4e5f_" + "5ecre7" + "f00dfeedc0de"


def test_a_text_of_exactly_the_limit_is_unchanged() -> None:
    fields = Fields()
    assert fields.shown("n" * 256, TOKEN_NAME) == "n" * 256
    assert fields.truncated == {}
    assert fields.shown("n" * 257, TOKEN_NAME) == "n" * 255 + "…"
    assert fields.truncated == {"name": 1}


@pytest.mark.parametrize("before", range(0, 260, 5))
def test_a_secret_is_replaced_before_half_of_it_is_cut_off(before: int) -> None:
    redactor = Redactor()
    redactor.add(SECRET)
    shown = Fields(redactor.clean).shown("n" * before + SECRET + "n" * 300, TOKEN_NAME)
    assert len(shown) <= 256
    assert "5ec" not in shown


@given(st.text(max_size=400), st.integers(2, 300))
def test_any_text_becomes_short_enough_and_valid_utf8(text: str, length: int) -> None:
    fields = Fields()
    shown = fields.shown(text, Limit("user", length))
    assert len(shown) <= length
    shown.encode()
    assert bool(fields.truncated) == (len(text.strip()) > length)
    assert shown.endswith(MARK) or not fields.truncated
    assert fields.truncated.keys() <= set(TRUNCATED_FIELDS)
