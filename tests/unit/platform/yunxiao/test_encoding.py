from __future__ import annotations

import codecs
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platform.yunxiao.encoding import Converted, as_utf8

MIB = 1024 * 1024
MOST = 8 * MIB
GBK = "application/json; charset=GBK"
NAMES = "李伟 王芳 张敏 刘洋 的 令牌 流水线"


def converted(body: bytes, content_type: str | None = None) -> str:
    return as_utf8(body, content_type, MOST).body.decode()


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "text/html; charset=utf-8",
        GBK,
        "text/plain;charset='gb2312'",
        "a; CharSet = CP936",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gb2312", "gb18030"])
def test_chinese_text_is_readable_however_it_is_declared(content_type: str | None, encoding: str) -> None:
    assert as_utf8(NAMES.encode(encoding), content_type, MOST) == Converted(NAMES.encode())


def test_ascii_stays_as_it_is_even_with_escapes() -> None:
    assert as_utf8(b'{"name": "\\ud800 \\u674e"}', GBK, MOST) == Converted(b'{"name": "\\ud800 \\u674e"}')


def test_a_short_text_that_is_valid_in_both_encodings_is_as_declared() -> None:
    # D2 BB is U+4E00 in GBK and U+04BB in UTF-8.
    assert converted(b"\xd2\xbb", GBK) == "一"
    assert converted(b"\xd2\xbb", "application/json") == "\u04bb"


def test_a_character_of_four_bytes_is_read_in_gb18030() -> None:
    assert converted("𠀀李伟".encode("gb18030")) == "𠀀李伟"


@pytest.mark.parametrize("content_type", [None, GBK])
def test_a_utf_8_text_with_a_cut_character_stays_utf_8(content_type: str | None) -> None:
    # E6 9D is the beginning of U+674E, and with the quotation mark no character of GBK.
    body = "李伟".encode() + b' "\xe6\x9d"'
    assert as_utf8(body, content_type, MOST) == Converted('李伟 "\ufffd"'.encode(), damaged=True)


def test_a_gbk_text_with_a_cut_character_stays_gbk() -> None:
    # C0 is the first byte of U+674E in GBK.
    body = NAMES.encode("gbk") + b'"\xc0"'
    found = as_utf8(body, None, MOST)
    assert found.damaged
    assert found.body.decode() == NAMES + '"\ufffd"'


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_replacement_character_of_the_sender_is_no_damage(encoding: str) -> None:
    assert as_utf8(f"{NAMES}\ufffd".encode(encoding), None, MOST) == Converted(f"{NAMES}\ufffd".encode())


def test_bytes_of_no_encoding_are_replaced() -> None:
    assert as_utf8(b'"\xff\xff"', None, MOST) == Converted('"\ufffd\ufffd"'.encode(), damaged=True)


@given(st.binary(max_size=200), st.sampled_from([None, GBK]))
def test_any_bytes_become_valid_utf_8(body: bytes, content_type: str | None) -> None:
    as_utf8(body, content_type, MOST).body.decode()


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=8))
def test_chinese_text_survives_gbk_without_a_declaration(text: str) -> None:
    body = f'{{"name": "{text}"}}'
    assert converted(body.encode(), None) == body
    found = as_utf8(body.encode("gbk"), GBK, MOST).body.decode()
    assert found == body


@pytest.mark.parametrize("shift", range(4))
def test_a_character_between_two_pieces_is_one_character(shift: int) -> None:
    text = "x" * shift + "李𠀀" * 30_000
    for encoding in ("utf-8", "gb18030"):
        assert converted(text.encode(encoding)) == text


@pytest.mark.parametrize("unit", [b"\xff", "李".encode("gbk"), "李".encode(), b"\x81\x30\x81\x30"])
def test_a_large_body_takes_little_more_memory_than_its_result(unit: bytes) -> None:
    body = unit * (4 * MIB // len(unit))
    tracemalloc.start()
    found = as_utf8(body, None, 4 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The buffer may have grown to more than is used, and one piece has several copies.
    assert peak < 2 * 4 * MIB + 2 * MIB
    # The conversion ends one piece after the limit at the latest.
    assert len(found.body) <= 4 * MIB + 3 * 64 * 1024


def test_the_codec_never_returns_half_a_surrogate_pair() -> None:
    # Otherwise its text could not be encoded as UTF-8.
    for first in range(0x81, 0xFF):
        codecs.decode(bytes([first, 0x30, 0x81, 0x30]), "gb18030", "replace").encode()
