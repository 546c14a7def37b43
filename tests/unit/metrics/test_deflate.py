from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import deflate
from exporter.metrics.deflate import EMPTY, Segment, combined, compressed, gzip_pieces, gzip_size

if TYPE_CHECKING:
    import pytest

texts = st.binary(max_size=40) | st.integers(0, 400_000).map(lambda size: b"yunxiao_user_up 1.0\n" * (size // 20))


@given(st.lists(texts, max_size=6))
def test_segments_make_one_gzip_member_with_the_text_of_all(parts: list[bytes]) -> None:
    segments = [compressed(part) for part in parts]
    stream = b"".join(gzip_pieces(segments))
    text = b"".join(parts)
    assert gzip.decompress(stream) == text
    assert len(stream) == gzip_size(segments)
    # Clients such as browsers and curl read the first member only; zlib checks size and checksum at its end.
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert (reader.decompress(stream), reader.eof, reader.unused_data) == (text, True, b"")


def test_the_stream_of_nothing_is_an_empty_gzip_file() -> None:
    # RFC 1952: header, an empty block, CRC 0, size 0
    assert b"".join(gzip_pieces([EMPTY])) == bytes.fromhex("1f8b08000000000004ff" + "0300" + "00000000" + "00000000")


@given(texts, st.integers(1, 100_000))
def test_the_text_of_a_segment_comes_back_in_pieces_of_the_requested_size(text: bytes, most: int) -> None:
    segment = compressed(text)
    pieces = list(segment.pieces(max(most, len(text) // 50)))
    assert b"".join(pieces) == segment.text == text
    assert all(0 < len(piece) <= max(most, len(text) // 50) for piece in pieces)


def test_a_segment_refers_to_nothing_before_it() -> None:
    text = b"the same text in both segments, which a compressor would like to refer to"
    assert compressed(text).data == compressed(text).data
    assert zlib.decompressobj(-zlib.MAX_WBITS).decompress(compressed(text).data) == text


def test_the_checksum_of_two_texts_from_theirs() -> None:
    # The check value of CRC-32 is that of 123456789.
    assert combined(zlib.crc32(b"1234"), zlib.crc32(b"56789"), 5) == 0xCBF43926


@given(st.binary(max_size=50), st.binary(max_size=5000))
def test_the_checksum_without_help_of_a_library_is_the_same(first: bytes, second: bytes) -> None:
    crc = combined(zlib.crc32(first), zlib.crc32(second), len(second))
    assert (
        crc == zlib.crc32(first + second) == deflate.crc32_combined(zlib.crc32(first), zlib.crc32(second), len(second))
    )


def test_zlib_is_enough_where_isal_has_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "fast_zlib", zlib)
    monkeypatch.setattr(deflate, "crc32_combined", combined)
    parts = [b"a" * 100_000, b"", b"b" * 10]
    assert gzip.decompress(b"".join(gzip_pieces([compressed(part) for part in parts]))) == b"".join(parts)


def test_a_size_beyond_32_bits_is_written_modulo_them() -> None:
    huge = Segment(b"", (1 << 32) + 5, 0)
    *_, trailer = gzip_pieces([huge])
    assert trailer[-4:] == b"\x05\x00\x00\x00"
