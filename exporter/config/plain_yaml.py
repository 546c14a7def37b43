"""Reads lists of simple entries that are written plainly: JSON, and a block list whose values stand on one line.

Within this small part of YAML the result is the same as that of `exporter.config.document`. All else is declined.
An entry has keys with texts, and the keys in `SECTIONS` with mappings of texts.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SECTIONS = frozenset({"labels", "thresholds"})

_UNUSUAL = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML refuses, and those that it reads as line breaks or takes out."""
_UNUSUAL_ESCAPE = re.compile(r'\\(?!["\\]|u(?!00[01]|[dD][89a-fA-F])[0-9a-fA-F]{4})')
"""Escapes that JSON and YAML do not read alike, or that give half of a surrogate pair."""
_DISTANT_COLON = re.compile(r'"(?! ?:)[ \n]+:')
"""More than one space between a key and its colon, which YAML limits and JSON does not."""

_KEY = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
_QUOTED = r""""[^"\\\n]*"|'[^'\n]*'"""
_FIRST = r"""[^\s\-?:,\[\]{}#&*!|>'"%@`=<~]"""
"""The first character of a text without quotes. YAML allows more."""
_TEXT = rf"{_FIRST}[^\s:#]*(?:(?::(?=\S)|#|[ ]+(?=[^\s#]))[^\s:#]*)*"
_TEXT_IN_BRACES = rf"{_FIRST}[^\s:#,?\[\]{{}}]*(?:[ ]+[^\s:#,?\[\]{{}}]+)*"
_PAIR = rf"({_KEY}):[ ]+({_QUOTED}|{_TEXT_IN_BRACES})"


def _without_groups(pattern: str) -> str:
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def _in_braces(pair: str) -> str:
    pair = _without_groups(pair)
    return rf"\{{[ ]*(?:{pair}(?:[ ]*,[ ]*{pair})*)?[ ]*\}}"


_MAPPING = _in_braces(_PAIR)
_FIELD = rf"({_KEY}):[ ]+({_MAPPING}|{_QUOTED}|{_TEXT_IN_BRACES})"
_PAIRS = re.compile(_PAIR)
_FIELDS = re.compile(_FIELD)
_END = r"[ ]*(?:[ ]#[^\n]*)?\n"
_LINES = re.compile(
    rf"([ ]*)(-[ ]+)?({_KEY}):(?:[ ]+({_MAPPING}|{_QUOTED}|{_TEXT}))?{_END}"
    rf"|([ ]*)-[ ]+({_in_braces(_FIELD)}){_END}"
    r"|[ ]*(?:#[^\n]*)?\n"
    r"|([^\n]*\n?)"
)
"""A line with a key and perhaps a value; one with a whole entry; an empty one or a comment; any other."""
_PIECE = 256 * 1024
"""Characters that are split into lines at once."""

_RESOLVERS: Mapping[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers


class DeclinedError(Exception):
    """The text is not plain, or has a fault: the exact reader must read it."""


def plain_entries(text: str) -> Iterable[dict[str, Any]]:
    """The entries of a list; also the iteration raises.

    Raises:
        DeclinedError: the text is not plain.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if _UNUSUAL.search(text):
        raise DeclinedError
    return _json_entries(text) if text.lstrip(" \n").startswith("[") else _block_entries(text)


def _json_entries(text: str) -> list[dict[str, Any]]:
    """The entries of a list in JSON."""
    if ("\\" in text and _UNUSUAL_ESCAPE.search(text)) or _DISTANT_COLON.search(text):
        raise DeclinedError
    try:
        entries = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise DeclinedError from None
    if not all(isinstance(entry, dict) for entry in entries):
        raise DeclinedError
    return entries  # type: ignore[no-any-return]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping without duplicate keys."""
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise DeclinedError
    return mapping


_JSON = json.JSONDecoder(object_pairs_hook=_distinct)


def _block_entries(text: str) -> Iterator[dict[str, Any]]:
    """The entries of a block list."""
    block = _Block()
    for piece in _pieces(text):
        for indent, dash, key, value, entry_indent, entry, other in _LINES.findall(piece):
            if entry:
                if (done := block.begin(len(entry_indent), _NO_KEYS)) is not None:
                    yield done
                block.entry = _fields(entry)
            elif key:
                if dash and (done := block.begin(len(indent), len(indent) + len(dash))) is not None:
                    yield done
                block.add(len(indent) + len(dash), key, value)
            elif other:
                block.separate(other)
    if (done := block.end()) is not None:
        yield done


_NO_KEYS = -1
"""The column of the keys of an entry in braces, which has no further lines."""


class _Block:
    """The entry of a block list that is being read."""

    def __init__(self) -> None:
        self.entry: dict[str, Any] | None = None
        # The columns of the dashes, of the keys of the entry, and of those of the open section.
        self._dashes = -1
        self._keys = _NO_KEYS
        self._nested = -1
        self._section: dict[str, str] | None = None
        self._separated = False

    def begin(self, dash: int, keys: int) -> dict[str, Any] | None:
        """Begin another entry; the one before it."""
        done = self.end()
        if self._dashes not in {-1, dash}:
            raise DeclinedError
        self.entry, self._dashes, self._keys = {}, dash, keys
        return done

    def end(self) -> dict[str, Any] | None:
        """The entry that is complete now."""
        self._end_section()
        return self.entry

    def add(self, column: int, key: str, value: str) -> None:
        """Add a line with a key."""
        if self._section is not None and column > self._keys:
            if self._nested not in {-1, column} or key in self._section:
                raise DeclinedError
            self._nested = column
            self._section[_scalar(key)] = _scalar(value)
            return
        self._end_section()
        if self.entry is None or column != self._keys or key in self.entry:
            raise DeclinedError
        if key in SECTIONS and not value:
            self._section = self.entry[key] = {}
            return
        self.entry[key] = _value(key, value)

    def separate(self, line: str) -> None:
        """Accept the marker of the document's start as the first line, and no other line."""
        if line != "---\n" or self.entry is not None or self._separated:
            raise DeclinedError
        self._separated = True

    def _end_section(self) -> None:
        if self._section is not None and not self._section:
            raise DeclinedError  # a key without a value
        self._section, self._nested = None, -1


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of whole lines."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1
        if not end:
            yield text[start:] if text.endswith("\n") else f"{text[start:]}\n"
            return
        yield text[start:end]
        start = end


def _fields(braces: str) -> dict[str, Any]:
    """The fields of an entry in braces."""
    return _distinct([(key, _value(key, value)) for key, value in _FIELDS.findall(braces, 1)])


def _value(key: str, value: str) -> Any:
    """The value of a field of an entry."""
    if value.startswith("{") and key in SECTIONS:
        return _distinct([(_scalar(name), _scalar(one)) for name, one in _PAIRS.findall(value)])
    return _scalar(value)


def _scalar(value: str) -> str:
    """The text of a scalar."""
    first = value[:1]
    if first in {'"', "'"}:
        return value[1:-1]
    if not first or first == "{":
        raise DeclinedError
    for _, pattern in _RESOLVERS.get(first, ()):
        if pattern.match(value):
            raise DeclinedError  # a number, a date, a boolean
    return value
