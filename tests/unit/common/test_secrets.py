from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.secrets import Secret, SecretError, clean_password, clean_secret


@pytest.mark.parametrize("raw", [b"tok-123", b"tok-123\n", b"tok-123\r\n", b"\xef\xbb\xbftok-123", b"  tok-123 \n\n"])
def test_white_space_around_a_token_is_dropped(raw: bytes) -> None:
    assert clean_secret(raw, "f").reveal() == "tok-123"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "f is empty"),
        (b"\n \r\n", "f is empty"),
        (b"tok\n123", "more than one line"),
        (b"tok\r123", "more than one line"),
        (b"tok 123", "a character that is not valid in a token"),
        (b"tok\x00123", "a character that is not valid in a token"),
        ("tok\u2013123".encode(), "a character that is not valid in a token"),
        (b"\xff\xfet\x00", "a character that is not valid in a token"),
    ],
)
def test_an_invalid_token_is_refused_and_not_shown(raw: bytes, words: str) -> None:
    with pytest.raises(SecretError, match=words) as caught:
        clean_secret(raw, "f")
    assert "tok" not in str(caught.value).replace("token", "")


def test_a_secret_is_not_shown() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {vars(type(secret))}"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)


@given(st.binary(max_size=50))
def test_a_valid_token_is_a_valid_header_value(raw: bytes) -> None:
    try:
        text = clean_secret(raw, "f").reveal()
    except SecretError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"correct horse battery\n", "correct horse battery"),
        (b"correct horse battery\r\n", "correct horse battery"),
        (b" blanks at both ends ", " blanks at both ends "),
        ("密码 é\n".encode(), "密码 é"),
    ],
)
def test_a_password_keeps_its_spaces_and_loses_one_newline(raw: bytes, expected: str) -> None:
    assert clean_password(raw, "f").reveal() == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "f is empty; write the password into it"),
        (b"\n", "f is empty"),
        (b"\r\n", "f is empty"),
        (b"hunter2\n\n", "f contains more than one line"),
        (b"hunter2\r", "f contains more than one line"),
        (b"hunter\n2", "f contains more than one line"),
        (b"hunter2\0", "f contains a control character"),
        (b"hunter2\x7f", "f contains a control character"),
        (b"hunter2\xff", "f is not UTF-8"),
    ],
)
def test_an_invalid_password_is_refused_and_not_shown(raw: bytes, words: str) -> None:
    with pytest.raises(SecretError, match=words) as caught:
        clean_password(raw, "f")
    assert "hunter" not in str(caught.value)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_text_without_control_characters_is_a_password(text: str) -> None:
    for end in ("", "\n", "\r\n"):
        assert clean_password((text + end).encode(), "f").reveal() == text


@given(st.binary(max_size=50))
def test_any_bytes_are_a_password_or_refused(raw: bytes) -> None:
    try:
        text = clean_password(raw, "f").reveal()
    except SecretError:
        return
    assert raw in {text.encode(), text.encode() + b"\n", text.encode() + b"\r\n"}
