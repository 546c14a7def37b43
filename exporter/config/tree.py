"""Composes YAML into a tree of small nodes, within limits.

PyYAML's own composer has no limits, and with anchors and aliases a file of one kilobyte can have 10^9 values. Here
values, nesting and the values that aliases add are counted while the file is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

# libyaml's parser is ten times faster, which matters for a list of 100,000 users. Wheels have it, some builds do not.
Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

STR = "tag:yaml.org,2002:str"
MAP = "tag:yaml.org,2002:map"
SEQ = "tag:yaml.org,2002:seq"

MOST_VALUES = 2_000_000
"""Maximum values and keys in a file; a list of 100,000 users has a million."""
MOST_COPIED = 500_000
"""Maximum values that aliases may add."""
DEEPEST = 50
"""Maximum levels of nesting; a configuration has less than ten."""


class LimitError(Exception):
    """A file exceeds a limit, or its anchors and aliases are not valid.

    Attributes:
        line: the line, counted from 1.
        problem: what is wrong.
        hint: what to do about it.
    """

    def __init__(self, line: int, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem
        self.hint = hint


@dataclass(slots=True, eq=False)
class Node:
    """A value or key.

    Attributes:
        tag: its type, as written or as resolved by YAML.
        line: where it starts, counted from 1.
        text: the text of a scalar; None for a list or mapping.
        plain: whether it is a scalar without quotes and tag.
        children: the entries of a list, or the alternating keys and values of a mapping.
        size: number of nodes in it, including itself, with all aliases expanded.
        mapping: whether it is a mapping.
    """

    tag: str
    line: int
    text: str | None = None
    plain: bool = False
    children: list[Node] = field(default_factory=list)
    size: int = 1
    mapping: bool = False

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """The keys of a mapping with their values."""
        return zip(self.children[::2], self.children[1::2], strict=True)


def compose(loader: Any) -> Node | None:
    """The tree of the only document; None for an empty document.

    Args:
        loader: PyYAML's loader of the text.

    Raises:
        LimitError: there are too many values, too many levels, or more than one document.
        yaml.YAMLError: it is not valid YAML.
    """
    tree = _Tree(loader)
    while loader.check_event():
        tree.take(loader.get_event())
    return tree.root


class _Tree:
    """A tree that is built event by event."""

    def __init__(self, loader: Any) -> None:
        self.root: Node | None = None
        self._resolve = loader.resolve
        self._open: list[Node] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            node = self._collection(event)
            if len(self._open) == DEEPEST:
                raise LimitError(node.line, f"is nested more than {DEEPEST} levels deep", "simplify it")
            self._record_anchor(node, event)
            self._open.append(node)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(self._open.pop(), None)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise LimitError(_line(event), "contains more than one document", "keep one document per file")

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        tag, plain = event.tag, not event.style and event.tag is None
        if plain:
            tag = self._resolve(yaml.ScalarNode, event.value, event.implicit)
        elif tag is None or tag == "!":
            tag = STR
        return Node(tag, _line(event), event.value, plain)

    def _collection(self, event: yaml.CollectionStartEvent) -> Node:
        mapping = isinstance(event, yaml.MappingStartEvent)
        tag = event.tag if event.tag not in {None, "!"} else MAP if mapping else SEQ
        return Node(tag, _line(event), mapping=mapping)

    def _record_anchor(self, node: Node, event: yaml.NodeEvent) -> None:
        if event.anchor is None:
            return
        if (first := self._anchors.get(event.anchor)) is not None:
            problem = f"the anchor &{event.anchor} is defined twice, first on line {first.line}"
            raise LimitError(node.line, problem, "give each a different name")
        self._anchors[event.anchor] = node

    def _alias(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise LimitError(_line(event), f"the alias *{event.anchor} has no anchor before it", "write the value out")
        self._into_parent(node, _line(event))

    def _add(self, node: Node, event: yaml.ScalarEvent | None) -> None:
        if event is not None:
            self._record_anchor(node, event)
        self._count += 1
        if self._count > MOST_VALUES:
            raise LimitError(node.line, f"contains more than {MOST_VALUES:,} values", "split it")
        self._into_parent(node, node.line)

    def _into_parent(self, node: Node, line: int) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.children.append(node)
        parent.size += node.size
        # _count is the number of values written out; the rest of the size comes from aliases.
        if parent.size > self._count + len(self._open) + MOST_COPIED:
            raise LimitError(
                line, f"contains aliases that add more than {MOST_COPIED:,} values", "write the values out"
            )


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else mark.line + 1
