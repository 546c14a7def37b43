"""Undoes the escapes of URLs, JSON, Python and HTML in a text, and maps the result to the original."""

from __future__ import annotations

import bisect
import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = ("%", "\\", "&")
_ESCAPES = re.compile(
    r"""
    (?P<percent> (?:%[0-9A-Fa-f]{2})+ )
  | (?P<hex>     (?:\\x[0-9A-Fa-f]{2})+ )
  | (?P<utf16>   (?:\\u[0-9A-Fa-f]{4})+ )
  | (?P<utf32>   \\U[0-9A-Fa-f]{8} )
  | (?P<quoted>  \\["'\\/bfnrt] )
  | (?P<html>    &(?: \#[0-9]{1,7} | \#[xX][0-9A-Fa-f]{1,6} | amp | lt | gt | quot | apos ); )
    """,
    re.VERBOSE,
)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LAST_SINGLE = 0xFFFF
"""The last code point that UTF-16 writes as one unit."""


@dataclass(frozen=True, slots=True)
class Unescaped:
    """A text with its escapes undone.

    Attributes:
        text: the result.
        at: the positions in it that come from an escape, ascending; each escape yields one character.
        spans: for each of these, start and end of its escape in the original.
    """

    text: str
    at: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original of the characters from ``start`` to ``end``, which must not be empty."""
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, position: int) -> tuple[int, int]:
        index = bisect.bisect_right(self.at, position) - 1
        if index < 0:
            return position, position + 1
        if self.at[index] == position:
            return self.spans[index]
        place = self.spans[index][1] + position - self.at[index] - 1
        return place, place + 1

    def whole(self, start: int, end: int) -> tuple[int, int]:
        """A span of the original, extended so that it does not split an escape."""
        first = bisect.bisect_right(self.spans, (start, start)) - 1
        if first >= 0 and self.spans[first][0] < start < self.spans[first][1]:
            start = self.spans[first][0]
        last = bisect.bisect_left(self.spans, (end, end)) - 1
        if last >= 0 and self.spans[last][0] < end < self.spans[last][1]:
            end = self.spans[last][1]
        return start, end


def unescape(text: str) -> Unescaped | None:
    """The text with one level of escapes undone; None if it has no escapes."""
    if not any(mark in text for mark in _MARKS):
        return None
    pieces: list[str] = []
    at: list[int] = []
    spans: list[tuple[int, int]] = []
    length = done = 0
    for match in _ESCAPES.finditer(text):
        pieces.append(text[done : match.start()])
        length += match.start() - done
        for char, start, end in _characters(match):
            pieces.append(char)
            at.append(length)
            spans.append((start, end))
            length += 1
        done = match.end()
    if not at:
        return None
    pieces.append(text[done:])
    return Unescaped("".join(pieces), tuple(at), tuple(spans))


def _characters(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The characters that an escape, or a sequence of escapes, encodes, with their spans."""
    escape, place = match[0], match.start()
    match match.lastgroup:
        case "percent":
            yield from _utf8(bytes.fromhex(escape.replace("%", "")), place, 3)
        case "hex":
            yield from _utf8(bytes.fromhex(escape.replace("\\x", "")), place, 4)
        case "utf16":
            units = bytes.fromhex(escape.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
            for char in units:
                size = 12 if ord(char) > _LAST_SINGLE else 6
                yield char, place, place + size
                place += size
        case "utf32":
            number = int.from_bytes(bytes.fromhex(escape.removeprefix("\\U")))
            yield chr(number) if number <= 0x10FFFF else "\ufffd", place, match.end()  # noqa: PLR2004 - the last one
        case "quoted":
            yield _CONTROLS.get(escape[1], escape[1]), place, match.end()
        case _:
            # The library drops numbers that are not characters.
            yield html.unescape(escape)[:1] or "\ufffd", place, match.end()


def _utf8(raw: bytes, place: int, size: int) -> Iterator[tuple[str, int, int]]:
    """Decodes escaped bytes as UTF-8; a byte that is not valid is the character of that number, as in Python's repr."""
    for char in raw.decode("utf-8", "surrogateescape"):
        count = len(char.encode("utf-8", "surrogateescape"))
        number = ord(char)
        yield chr(number - 0xDC00) if 0xDC80 <= number <= 0xDCFF else char, place, place + size * count  # noqa: PLR2004
        place += size * count
