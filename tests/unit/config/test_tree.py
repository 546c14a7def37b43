from __future__ import annotations

from typing import Any

import pytest

from exporter.config.tree import DEEPEST, LimitError, Loader, Node, compose


def tree(text: str) -> Node | None:
    loader: Any = Loader(text)
    try:
        return compose(loader)
    finally:
        loader.dispose()


def test_nodes_have_lines_text_and_size() -> None:
    root = tree("a: 1\nb: [x, y]\n")
    assert root is not None
    pairs = [(key.text, value.line, value.size) for key, value in root.pairs()]
    # a list of two is three nodes; the mapping has two keys, a scalar, the list and itself
    assert (pairs, root.size) == ([("a", 1, 1), ("b", 2, 3)], 7)


def test_an_alias_is_the_node_of_its_anchor() -> None:
    root = tree("a: &x [1]\nb: *x\n")
    assert root is not None
    (_, first), (_, second) = root.pairs()
    assert first is second


def test_an_empty_document_has_no_tree() -> None:
    assert tree("# nothing\n") is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[" * (DEEPEST + 1), 1, "is nested more than 50 levels deep"),
        ("a: 1\n---\nb: 2\n", 2, "contains more than one document"),
        ("a: *x\n", 1, "the alias *x has no anchor before it"),
    ],
)
def test_limits(text: str, line: int, problem: str) -> None:
    with pytest.raises(LimitError) as caught:
        tree(text)
    assert (caught.value.line, caught.value.problem) == (line, problem)
