from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.faults import ConfigError
from exporter.config.yamlfile import parse_yaml


def faults(text: str) -> list[str]:
    try:
        document = parse_yaml(text, "c.yaml")
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return [str(fault) for fault in document.faults.values()]


def test_values_keep_their_lines_and_their_spelling() -> None:
    document = parse_yaml("a:\n  - 0123456\n  - 'x'\n", "c.yaml")
    assert document.data == {"a": [42798, "x"]}
    assert document.line(("a", 1)) == 3
    assert document.written == {("a", 0): "0123456"}


def test_duplicate_keys_name_both_lines() -> None:
    assert faults("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n") == [
        "c.yaml:4: a: key given twice, first on line 1; keep one",
        "c.yaml:3: b.c: key given twice, first on line 2; keep one",
    ]


def test_a_merged_key_may_be_overridden() -> None:
    document = parse_yaml("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n", "c.yaml")
    assert document.faults == {}
    assert document.data["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: 1", 'c.yaml:1: on: key on is not quoted, YAML reads it as another value; write "on"'),
        ("a: 2026-13-45", 'c.yaml:1: a: 2026-13-45 is not quoted and no value; write "2026-13-45"'),
        ("a: &x [*x]", "c.yaml:1: a[0]: an alias that contains itself; write the value out"),
        ("? [a]\n: 1", "c.yaml:1: a key must be plain text; write it as text"),
    ],
)
def test_faults_of_single_values(text: str, expected: str) -> None:
    assert faults(text) == [expected]


@pytest.mark.parametrize(
    "text", ["a: [", "a:\n\tb: 1", "a: b: c", "---\na: 1\n---\nb: 2", "a: \x07", "a: 'x", "%YAML 9", "[" * 5000]
)
def test_what_is_no_yaml_is_one_fault_with_a_place(text: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith("c.yaml")


def test_an_empty_document_is_none() -> None:
    assert parse_yaml("# nothing\n", "c.yaml").data is None


def test_python_tags_are_not_obeyed() -> None:
    (fault,) = faults("a: !!python/object/apply:os.system [ls]")
    assert "use plain values only" in fault


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*<!'\"\n \t#0123456789_.~|>?%@`"), max_size=60))
def test_no_text_does_more_than_a_config_error(text: str) -> None:
    faults(text)
