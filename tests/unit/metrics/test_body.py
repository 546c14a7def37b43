from __future__ import annotations

import gzip
import tracemalloc

from exporter.metrics.body import Body
from exporter.metrics.deflate import compressed

PARTS = [b"# HELP a b\n", b"", b'up{user="x"} 1.0\n' * 50_000]
SEGMENTS = tuple(compressed(part) for part in PARTS)


def test_a_compressed_body_is_sent_as_it_is_kept() -> None:
    body = Body(SEGMENTS, "text/plain", packed=True)
    assert (body.encoding, body.held, body.size) == ("gzip", len(body.content), len(body.content))
    assert gzip.decompress(body.content) == b"".join(PARTS)


def test_a_plain_body_is_decompressed_piece_by_piece() -> None:
    body = Body(SEGMENTS, "text/plain", packed=False)
    assert (body.encoding, body.size) == (None, 11 + 50_000 * 17)
    assert body.content == b"".join(PARTS)
    assert max(len(piece) for piece in body.pieces()) <= 256 << 10
    # What it costs is its compressed size.
    assert body.held < body.size / 20


def test_sending_a_plain_body_needs_the_memory_of_a_piece() -> None:
    many = Body(SEGMENTS * 40, "text/plain", packed=False)
    tracemalloc.start()
    try:
        sent = sum(len(piece) for piece in many.pieces())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent == many.size == 40 * (11 + 50_000 * 17)
    assert peak < 2 << 20
