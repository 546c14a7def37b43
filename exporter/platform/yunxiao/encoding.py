"""Converts a body to UTF-8. The API sends UTF-8, but gateways in between also send GBK or GB18030.

JSON cannot be searched or cut in these encodings: the second byte of a character may be a bracket or a backslash. So a
body is converted as a whole, before anything reads it.
"""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_UTF_8 = "utf-8"
_GB = "gb18030"
"""Includes GBK and GB 2312."""
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*(?:gb_?2312|gbk|gb_?18030|cp936|x-gbk)\b""", re.IGNORECASE)
_PIECE = 64 * 1024
"""Bytes that are converted at once."""
_REPLACEMENT = "\ufffd"
_WIDE = re.compile("[\u0800-\ufffc\ufffe-\U0010ffff]")
"""A character of three or four bytes in UTF-8. Bytes of another encoding hardly ever form one by chance."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A body in UTF-8.

    Attributes:
        body: the bytes, valid UTF-8.
        damaged: whether some bytes could not be converted; U+FFFD stands for them.
    """

    body: bytes
    damaged: bool = False


def as_utf8(body: bytes, content_type: str | None, most: int) -> Converted:
    """Convert a body to UTF-8.

    Its bytes decide, and only if they do not, the declared encoding: gateways declare one for all that passes, and it
    is often wrong.

    Args:
        body: the bytes as they came.
        content_type: the header `Content-Type`.
        most: bytes of the result after which a conversion may end.
    """
    if body.isascii():
        return Converted(body)
    declared = _CHARSET.search(content_type or "") is not None
    if not declared and _is_utf8(body):
        return Converted(body)
    utf_8, gb = _score(body, _UTF_8), _score(body, _GB)
    if not utf_8.invalid and (utf_8.wide or gb.invalid):
        return Converted(body)
    # A UTF-8 text with a name that was cut in the middle of a character can be valid GB18030 by chance.
    if utf_8.wide <= utf_8.invalid and (gb.invalid < utf_8.invalid or not gb.invalid):
        return Converted(_converted(body, _GB, most), gb.invalid > 0)
    return Converted(_converted(body, _UTF_8, most), utf_8.invalid > 0)


@dataclass(frozen=True, slots=True)
class _Score:
    """How well a body fits an encoding: places that are invalid in it, and characters that prove it to be UTF-8."""

    invalid: int
    wide: int


def _is_utf8(body: bytes) -> bool:
    try:
        if len(body) <= _PIECE:
            body.decode(_UTF_8)
            return True
        for _ in _pieces(body, _UTF_8, "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _score(body: bytes, encoding: str) -> _Score:
    replaced = wide = 0
    for text in _pieces(body, encoding, "replace"):
        replaced += text.count(_REPLACEMENT)
        wide += len(_WIDE.findall(text))
    return _Score(max(0, replaced - body.count(_REPLACEMENT.encode(encoding))), wide)


def _converted(body: bytes, encoding: str, most: int) -> bytes:
    converted = io.BytesIO()
    for text in _pieces(body, encoding, "replace"):
        converted.write(text.encode(errors="replace"))
        if converted.tell() > most:
            break
    return converted.getvalue()


def _pieces(body: bytes, encoding: str, errors: str) -> Iterator[str]:
    """The text of a body, piece by piece: as a whole it would take several times the memory."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for start in range(0, len(body), _PIECE):
        yield decoder.decode(body[start : start + _PIECE], final=start + _PIECE >= len(body))
