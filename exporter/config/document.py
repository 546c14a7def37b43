"""Reads YAML together with the line and the original text of each value.

PyYAML accepts duplicate keys (the last one wins) and drops line numbers. Here a document has plain data and, for each
key path, its line and the text of a scalar as written, so that faults can name both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter.common.files import FileError, read_regular_file
from exporter.common.text import problem_and_hint
from exporter.config.errors import ConfigError, Fault, KeyPath, path_text
from exporter.config.tree import MAP, SEQ, STR, LimitError, Loader, Node, compose

_BYTE_LIMIT = 64 * 1024 * 1024
_MOST_FAULTS = 100
_LONGEST = 100
"""Maximum characters of a number, date or boolean; PyYAML needs quadratic time for longer ones."""
_MOST_BITS = 64
_VALUES = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null", "timestamp"))
_NOT_A_VALUE = (ValueError, OverflowError, LookupError, AttributeError, TypeError, yaml.YAMLError)
"""Exceptions of PyYAML for a value that does not match its tag."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR_OF_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file.

    Attributes:
        file: the name for messages.
        data: plain Python data.
        lines: the line, from 1, at which the value of each key path starts.
        written: the text of each scalar without quotes.
        faults: faults of single keys and values; the rest of the data can be validated.
    """

    file: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    faults: dict[KeyPath, Fault] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """The line of the value at the path, or of its nearest parent with a line."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None

    def fault(self, path: KeyPath, message: str, hint: str = "") -> Fault:
        """A fault at the path, with its file and line."""
        return Fault(self.file, self.line(path), path_text(path), message, hint)

    def fault_of(self, path: KeyPath, error: Exception) -> Fault:
        """A fault at the path, from an error whose text is "what is wrong; what to do"."""
        return self.fault(path, *problem_and_hint(error))


def read_yaml(file: Path, name: str) -> Document:
    """Read a YAML file as UTF-8, with or without a byte order mark.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8 or not YAML, has several documents, or exceeds the limits of
            `exporter.config.tree`. Duplicate keys, keys that are not strings and values that do not match their type
            are faults of the document instead.
    """
    return parse_yaml(read_text(file, name), name)


def read_text(file: Path, name: str) -> str:
    """The text of a file; see `read_yaml`."""
    try:
        raw = read_regular_file(file, _BYTE_LIMIT)
    except FileError as error:
        raise ConfigError((Fault(name, None, "", error.problem, error.hint),)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError((Fault(name, line, "", "is not UTF-8", "save it as UTF-8"),)) from None


def parse_yaml(text: str, name: str) -> Document:
    """Parse the text of a YAML file; see `read_yaml` for the errors."""
    loader = None
    try:
        loader = Loader(text)
        node = compose(loader)
        document = Document(name, None)
        if node is None:
            return document
        builder = _Builder(loader, document)
        return Document(name, builder.build(node, ()), document.lines, document.written, document.faults)
    except LimitError as error:
        raise ConfigError((Fault(name, error.line, "", error.problem, error.hint),)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        what = error.problem or error.context or "not understood"
        if "escape code" in str(what) and (joined := _with_joined_pairs(text)) != text:
            return parse_yaml(joined, name)
        raise ConfigError((Fault(name, line, "", f"is not valid YAML: {what}", _yaml_hint(str(what))),)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"contains the character U+{error.character:04X}, which YAML does not allow"
        raise ConfigError((Fault(name, line, "", message, "remove it"),)) from None
    finally:
        if loader is not None:
            loader.dispose()


def _with_joined_pairs(text: str) -> str:
    """The text with the two escapes by which JSON writes a rare character as one, which YAML understands."""

    def join(match: re.Match[str]) -> str:
        code = 0x10000 + ((int(match[2], 16) - 0xD800) << 10) + int(match[3], 16) - 0xDC00
        return f"{match[1]}\\U{code:08x}"

    return _PAIR_OF_ESCAPES.sub(join, text)


def _yaml_hint(problem: str) -> str:
    if "escape code" in problem:
        return "write the character itself, or the escapes of both halves of its surrogate pair"
    if "\\t" in problem or "tab" in problem:
        return "indent with spaces, not tabs"
    return "check indentation, colons and quotes near this line"


class _Builder:
    """Converts a tree of nodes to plain data, and fills the lines, texts and faults of the document."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._open: set[int] = set()
        self._merged: dict[int, dict[str, tuple[Node, Node]]] = {}

    def build(self, node: Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.line)
        if node.text is not None:
            return self._scalar(node, node.text, path)
        if id(node) in self._open:
            self._add_fault(path, node, "is an alias that contains itself", "write the value out")
            return None
        if node.tag != (MAP if node.mapping else SEQ):
            self._add_fault(path, node, f"the tag {node.tag} is not supported", "use plain values")
            return None
        self._open.add(id(node))
        try:
            if node.mapping:
                return self._mapping(node, path)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.children)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Node, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, (key_node, value_node) in self._entries(node, path).items():
            self._document.lines[(*path, key)] = key_node.line
            result[key] = self.build(value_node, (*path, key))
        return result

    def _entries(self, node: Node, path: KeyPath) -> dict[str, tuple[Node, Node]]:
        """Keys and values of a mapping, including those of ``<<: *anchor``. Keys of the mapping itself win."""
        merged: dict[str, tuple[Node, Node]] = {}
        own: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.pairs():
            if key_node.tag == _MERGE:
                merged |= self._sources(value_node, path)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if (first := own.get(key)) is not None:
                message = f"duplicate key, first on line {first[0].line}"
                self._add_fault((*path, key), key_node, message, "keep one")
            own[key] = key_node, value_node
        return merged | own

    def _sources(self, node: Node, path: KeyPath) -> dict[str, tuple[Node, Node]]:
        """The keys and values that ``<<`` merges; the first of several mappings wins."""
        found: dict[str, tuple[Node, Node]] = {}
        for source in reversed(node.children) if node.tag == SEQ else [node]:
            if not source.mapping:
                self._add_fault(
                    (*path, "<<"), source, "<< must be a mapping or a list of mappings", "write the keys out"
                )
            elif id(source) in self._open:
                self._add_fault((*path, "<<"), source, "is an alias that contains itself", "write the keys out")
            else:
                if id(source) not in self._merged:
                    self._merged[id(source)] = self._entries(source, path)
                found |= self._merged[id(source)]
        return found

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if node.text is None:
            self._add_fault(path, node, "a key must be a string", "write it as a string")
            return None
        if node.tag != STR:
            self._add_fault(
                (*path, node.text),
                node,
                f"key {node.text} is not quoted, YAML reads it as another value",
                f'write "{node.text}"',
            )
            return None
        return self._text(node, node.text, path)

    def _scalar(self, node: Node, text: str, path: KeyPath) -> Any:
        if node.tag == STR:
            return self._text(node, text, path)
        if node.tag not in _VALUES and not node.plain:
            self._add_fault(path, node, f"the tag {node.tag} is not supported", "use plain values")
            return None
        try:
            value = self._value(node.tag, text)
        except _NOT_A_VALUE:
            # PyYAML takes 2026-13-45 for a date and 0b for a number, then fails to convert them.
            shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
            if node.tag == _TIMESTAMP and node.plain:
                hint = "write an existing date, or put it in quotes if it is no date"
                self._add_fault(path, node, f"{shown} is not a day of the calendar", hint)
            elif node.plain:
                self._add_fault(path, node, f"{shown} is not quoted and not valid", f'write "{shown}"')
            else:
                self._add_fault(path, node, f"the tag {node.tag} does not match {shown}", "use plain values")
            return None
        if node.plain:
            self._document.written[path] = text
        return value

    def _value(self, tag: str, text: str) -> Any:
        if len(text) > _LONGEST:
            raise ValueError("too long")
        value = self._loader.yaml_constructors[tag](self._loader, yaml.ScalarNode(tag, text))
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise OverflowError("too large")
        return value

    def _text(self, node: Node, text: str, path: KeyPath) -> str | None:
        if text.isascii() or not _SURROGATE.search(text):
            return text
        self._add_fault(path, node, "contains half of a surrogate pair, which is not a character", "remove it")
        return None

    def _add_fault(self, path: KeyPath, node: Node, message: str, hint: str) -> None:
        if len(self._document.faults) < _MOST_FAULTS:
            fault = Fault(self._document.file, node.line, path_text(path), message, hint)
            self._document.faults.setdefault(path, fault)
