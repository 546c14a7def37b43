"""The body of a scrape, made of segments: sent as one gzip stream, or decompressed while it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.metrics.deflate import gzip_pieces, gzip_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.metrics.deflate import Segment

_PIECE = 256 << 10
"""Bytes of text that are decompressed at once: in a quarter of a millisecond."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The response to a scrape.

    Attributes:
        segments: the text. Bodies share segments that have not changed between them.
        content_type: the `Content-Type` header.
        packed: whether it is compressed with gzip.
        taken: called when a reader has taken all pieces, or wants no more. Any thread may call it.
        held: the bytes that it keeps in memory.
        size: the bytes to send.
    """

    segments: tuple[Segment, ...]
    content_type: str
    packed: bool = field(kw_only=True)
    taken: Callable[[], None] = field(default=lambda: None, kw_only=True)
    held: int = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Compute the sizes."""
        held = gzip_size(self.segments)
        object.__setattr__(self, "held", held)
        object.__setattr__(self, "size", held if self.packed else sum([one.size for one in self.segments]))

    @property
    def encoding(self) -> str | None:
        """The `Content-Encoding` header; None for none."""
        return "gzip" if self.packed else None

    @property
    def content(self) -> bytes:
        """The whole body: only where it is known to be small."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, in order."""
        try:
            if self.packed:
                yield from gzip_pieces(self.segments)
            else:
                for one in self.segments:
                    yield from one.pieces(_PIECE)
        finally:
            self.taken()
