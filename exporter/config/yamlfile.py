"""YAML that remembers where each value stood and how it was written.

PyYAML alone lets duplicate keys pass (the last one wins) and forgets lines. Here a document becomes plain data plus,
for every key path, its line and, for scalars, the text as written, so that a later complaint can name both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter.config.faults import ConfigError, Fault, KeyPath, path_text

_BYTE_LIMIT = 64 * 1024 * 1024
# libyaml's parser is ten times faster, which a list of 100,000 users feels; wheels have it, some builds do not.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as read.

    Attributes:
        file: the name to use in messages.
        data: plain Python data.
        lines: the line, from 1, at which the value of a key path starts.
        written: the text of each scalar that was written without quotes.
        faults: what is wrong with single keys and values; the rest of the data is good to be checked further.
    """

    file: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    faults: dict[KeyPath, Fault] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """The line of the value at the path, or of the nearest thing above it that has one."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None

    def fault(self, path: KeyPath, message: str, hint: str = "") -> Fault:
        """A fault at the path, with its file and line."""
        return Fault(self.file, self.line(path), path_text(path), message, hint)


def read_yaml(file: Path, name: str) -> Document:
    """Read a YAML file as UTF-8, whatever the locale says, with or without a byte order mark.

    Raises:
        ConfigError: the file cannot be read, is no UTF-8, no YAML, or holds more than one document. A duplicate key, a
            key that is no text and a value that YAML cannot make sense of stand in the document's faults instead.
    """
    try:
        if not file.is_file() and file.exists():
            # A pipe would hold the reader, and could not be read again at a reload.
            raise ConfigError((Fault(name, None, "", "is no regular file", "name a file"),))
        with file.open("rb") as stream:
            raw = stream.read(_BYTE_LIMIT + 1)
    except OSError as error:
        hint = "check the path" if isinstance(error, FileNotFoundError) else "check owner and mode"
        raise ConfigError((Fault(name, None, "", f"cannot be read: {error.strerror}", hint),)) from None
    if len(raw) > _BYTE_LIMIT:
        raise ConfigError((Fault(name, None, "", "is larger than 64 MiB", "split it"),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError((Fault(name, line, "", "is not UTF-8", "save it as UTF-8"),)) from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Document:
    """Parse the text of a YAML file; `read_yaml` says which errors it raises."""
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = Document(name, None)
        if node is None:
            return document
        builder = _Builder(loader, document)
        return Document(name, builder.build(node, ()), document.lines, document.written, document.faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        what = error.problem or error.context or "not understood"
        raise ConfigError((Fault(name, line, "", f"is not valid YAML: {what}", _yaml_hint(str(what))),)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"holds the character U+{error.character:04X}, which YAML does not allow"
        raise ConfigError((Fault(name, line, "", message, "remove it"),)) from None
    except RecursionError:
        raise ConfigError((Fault(name, None, "", "is nested too deeply", "simplify it"),)) from None
    finally:
        if loader is not None:
            loader.dispose()


def _yaml_hint(problem: str) -> str:
    if "\\t" in problem or "tab" in problem:
        return "indent with spaces, not tabs"
    if "expected a single document" in problem or "but found another document" in problem:
        return "keep one document a file"
    return "check indentation, colons and quotes near this line"


class _Builder:
    """Turns composed nodes into plain data and fills in the document's tables."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._open:
            self._complain(path, node, "an alias that contains itself", "write the value out")
            return None
        self._open.add(id(node))
        try:
            if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_COLLECTIONS:
                self._complain(path, node, f"the tag {node.tag} is not understood", "use plain values only")
                return None
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._look_for_duplicates(node, path)
        # Resolves "<<: *anchor"; keys written out win over merged ones.
        self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            self._document.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*path, key))
        return result

    def _look_for_duplicates(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = key_node.start_mark.line + 1
            if (first := seen.get(key_node.value)) is not None:
                self._complain((*path, key_node.value), key_node, f"key given twice, first on line {first}", "keep one")
            seen.setdefault(key_node.value, line)

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(path, node, "a key must be plain text", "write it as text")
            return None
        if node.tag != "tag:yaml.org,2002:str":
            self._complain(
                (*path, node.value),
                node,
                f"key {node.value} is not quoted, YAML reads it as another value",
                f'write "{node.value}"',
            )
            return None
        return str(node.value)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        try:
            value = self._loader.construct_object(node, deep=True)
        except yaml.constructor.ConstructorError as error:
            self._complain(path, node, f"{error.problem}", "use plain values only")
            return None
        except (ValueError, OverflowError, IndexError):
            # PyYAML takes 2026-13-45 for a date and 0b for a number, then fails to make one.
            self._complain(path, node, f"{node.value} is not quoted and no value", f'write "{node.value}"')
            return None
        if isinstance(node, yaml.ScalarNode) and not node.style:
            self._document.written[path] = node.value
        return value

    def _complain(self, path: KeyPath, node: yaml.Node, message: str, hint: str) -> None:
        fault = Fault(self._document.file, node.start_mark.line + 1, path_text(path), message, hint)
        self._document.faults.setdefault(path, fault)
