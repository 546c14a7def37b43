"""Reads the entries of a list in pieces, so that no answer takes much memory or blocks the interpreter for long.

A decoder turns 8 MiB of ``{},`` into gigabytes of objects, and blocks the interpreter meanwhile. So a large answer is
decoded in pieces of 64 KiB that end between two entries. The end of a piece is guessed: after a ``},``. Decoding proves
the guess: a piece that begins at an entry and decodes as complete entries also ends at one, since JSON is read from
left to right. If a guess fails, or an entry is not as documented, the entries of that piece are split one by one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from exporter.model.token import MOST_LISTED
from exporter.platform.yunxiao.envelope import MARKS, list_in, list_in_large
from exporter.platform.yunxiao.json_body import BYTE_ORDER_MARK, FAILED, WireError, kind_of, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

PIECE = 64 * 1024
"""Bytes that are decoded at once: about 130 tokens, and at most about 3 MB of objects."""
_MOST_NESTED = 10_000
"""Lists and objects in one entry."""
_TEXT = 16 * 1024
"""Bytes of a very long text that are read: more than the limit of any field needs, however it is escaped."""
_ESCAPE = 12
"""Bytes of the longest escape sequence, a surrogate pair."""


class Oversized:
    """A value that is too large to be decoded; no field accepts it."""


OVERSIZED = Oversized()
_RAW = msgspec.json.Decoder(msgspec.Raw)


class EntryReader(Generic[T]):
    """Reads the entries of one kind of list.

    Args:
        what: the entries, for the text of an error.
        typed: decodes a list of entries that are as documented. Other entries are returned as plain JSON values.
        fields: the fields to read; other fields of an entry that is larger than a piece are skipped.
        piece: bytes to decode at once.
    """

    def __init__(
        self, what: str, typed: msgspec.json.Decoder[list[T]], fields: tuple[str, ...], piece: int = PIECE
    ) -> None:
        self._what = what
        self._typed = typed
        self._piece = piece
        raw = [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in fields]
        self._raw: msgspec.json.Decoder[Any] = msgspec.json.Decoder(msgspec.defstruct("Raw", raw))

    def batches(self, body: bytes) -> Iterator[list[Any]]:
        """The entries of a body, in batches.

        Raises:
            WireError: the body is not a list, or has more than `MOST_LISTED` entries; batches may have come before.
        """
        count = 0
        for batch in [self._whole(body)] if len(body) <= self._piece else self._in_pieces(body):
            count += len(batch)
            if count > MOST_LISTED:
                raise WireError(f"a list of more than {MOST_LISTED} {self._what}")
            yield batch

    def _whole(self, body: bytes) -> list[Any]:
        try:
            return self._typed.decode(body)
        except FAILED:
            return list_in(read_json(body), self._what)

    def _in_pieces(self, body: bytes) -> Iterator[list[Any]]:
        text, position, stop = self._array(body.removeprefix(BYTE_ORDER_MARK))
        if not text[position : min(position + self._piece, stop)].strip() and not text[position:stop].strip():
            return
        while position <= stop:
            end = stop
            if stop - position > self._piece:
                end = text.rfind(b"},", position, position + self._piece) + 1
            if end > position and (batch := self._proven(text[position:end])):
                yield batch
                position = end + 1
                continue
            # No further guess before the end of this one.
            until = end if end > position else min(position + self._piece, stop + 1)
            while position < until:
                end = _end_of_entry(text, position, stop)
                yield [self._single(text[position:end])]
                position = end + 1

    def _proven(self, piece: bytes) -> list[T] | None:
        """The entries of a piece; None if it does not end between two entries or they are not as documented."""
        try:
            return self._typed.decode(b"[%b]" % piece)
        except FAILED:
            return None

    def _single(self, entry: bytes) -> Any:
        if not entry.strip():
            raise WireError("not JSON")
        if len(entry) <= self._piece:
            return read_json(entry)
        try:
            decoded = self._raw.decode(entry)
        except msgspec.ValidationError:
            decoded = None
        except FAILED:
            raise WireError("not JSON") from None
        if decoded is None:
            # Not an object. That was found at its first character: what follows may be anything.
            _check_json(entry)
            return OVERSIZED
        names: tuple[str, ...] = decoded.__struct_fields__
        found = {name: getattr(decoded, name) for name in names}
        return {name: self._value(bytes(raw)) for name, raw in found.items() if raw is not msgspec.UNSET}

    def _value(self, raw: bytes) -> Any:
        """A field of a large entry: decoded if it is small, the beginning of a long text, `OVERSIZED` for all else."""
        if len(raw) <= _TEXT:
            return read_json(raw)
        return _beginning(raw) if raw[:1] == b'"' else OVERSIZED

    def _array(self, body: bytes) -> tuple[bytes, int, int]:
        """A text, and where in it the entries of the list begin and end."""
        start = body[: self._piece].lstrip()[:1]
        if start == b"[":
            stop = body.rfind(b"]")
            if stop < 0 or body[stop + 1 :].strip():
                raise WireError("not JSON")
            return body, body.index(b"[") + 1, stop
        if start != b"{":
            raise WireError(kind_of(body))
        return list_in_large(body, self._what)


def _check_json(text: bytes) -> None:
    try:
        _RAW.decode(text)
    except FAILED:
        raise WireError("not JSON") from None


def _beginning(raw: bytes) -> str:
    """The beginning of a long JSON string, cut between two characters."""
    for shorter in range(_ESCAPE):
        try:
            text = json.loads(raw[: _TEXT - shorter].decode("utf-8", errors="ignore") + '"', strict=False)
        except ValueError:
            continue
        return str(text)
    return ""


def _end_of_entry(text: bytes, position: int, stop: int) -> int:
    """Where an entry of a list ends: at the comma after it or at the end of the list."""
    depth = nested = 0
    for match in MARKS.finditer(text, position, stop):
        mark = text[match.start()]
        if mark in b"[{":
            depth += 1
            nested += 1
            if nested > _MOST_NESTED:
                raise WireError(f"a list with an entry of more than {_MOST_NESTED} values")
        elif mark in b"]}":
            depth -= 1
        elif mark == ord(",") and depth == 0:
            return match.start()
    return stop
