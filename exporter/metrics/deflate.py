"""Text that is compressed once and joined with other text into one gzip stream at each scrape.

A gzip stream may be joined from pieces that were compressed apart, if no piece refers back to another one, each ends at
a byte boundary, and the checksum of the whole is computed from those of the pieces. The result is a single gzip member:
not all clients read streams of several members.
"""

from __future__ import annotations

import functools
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this platform
    import zlib as fast_zlib  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FASTEST = 1
_RAW = -zlib.MAX_WBITS
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""Magic number, deflate, no flags, no time, fastest compression, unknown system (RFC 1952, 2.3)."""
_LAST_BLOCK = b"\x03\x00"
"""A final block without content (RFC 1951, 3.2.6)."""
_POLYNOMIAL = 0xEDB88320
"""That of CRC-32, the lowest bit first."""
_ONE = 1 << 31
"""The polynomial 1, in the same order of bits."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A compressed piece of text.

    Attributes:
        data: deflate blocks that refer to nothing before them and end at a byte boundary; none of them is the last.
        size: the size of the text in bytes.
        crc: the CRC-32 of the text.
    """

    data: bytes
    size: int
    crc: int

    @property
    def text(self) -> bytes:
        """The text."""
        return b"".join(self.pieces(max(1, self.size)))

    def pieces(self, most: int) -> Iterator[bytes]:
        """The text in pieces of at most ``most`` bytes."""
        if not self.size:
            return
        decompressor, rest, left = fast_zlib.decompressobj(_RAW), self.data, self.size
        while left > 0:
            piece = decompressor.decompress(rest, most)
            rest, left = decompressor.unconsumed_tail, left - len(piece)
            yield piece


EMPTY = Segment(b"", 0, 0)


def compressed(text: bytes) -> Segment:
    """Compress a piece of text."""
    if not text:
        return EMPTY
    compressor = fast_zlib.compressobj(_FASTEST, fast_zlib.DEFLATED, _RAW)
    data = compressor.compress(text) + compressor.flush(fast_zlib.Z_SYNC_FLUSH)
    return Segment(data, len(text), fast_zlib.crc32(text))


def gzip_pieces(segments: Iterable[Segment]) -> Iterator[bytes]:
    """A gzip stream with the text of the segments, in pieces."""
    crc = size = 0
    yield _HEADER
    for one in segments:
        crc = crc32_combined(crc, one.crc, one.size)
        size += one.size
        yield one.data
    yield _LAST_BLOCK + struct.pack("<II", crc, size & 0xFFFFFFFF)


def gzip_size(segments: Iterable[Segment]) -> int:
    """The size of `gzip_pieces`."""
    return len(_HEADER) + sum([len(one.data) for one in segments]) + len(_LAST_BLOCK) + 8


def combined(first: int, second: int, size: int) -> int:
    """The CRC-32 of two texts together, from that of each and the size of the second in bytes.

    A CRC is a remainder modulo a polynomial over GF(2): append ``size`` zero bytes to the first text, that is multiply
    its CRC by x to the power of 8 * size, and add the second CRC.
    """
    return _product(_power(size), first) ^ second


@functools.lru_cache(maxsize=4096)
def _power(size: int) -> int:
    """X to the power of 8 * size, modulo the polynomial."""
    # The exponent 2 ** 3 has this power: x ** 8.
    square, result = 1 << (31 - 8), _ONE
    while size:
        if size & 1:
            result = _product(square, result)
        square = _product(square, square)
        size >>= 1
    return result


def _product(one: int, other: int) -> int:
    """The product of two polynomials, modulo the polynomial of the CRC."""
    result, bit = 0, _ONE
    while bit:
        if one & bit:
            result ^= other
        other = other >> 1 ^ _POLYNOMIAL if other & 1 else other >> 1
        bit >>= 1
    return result


crc32_combined = getattr(fast_zlib, "crc32_combine", combined)
