from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.document import parse_yaml
from exporter.config.errors import ConfigError, Fault


def faults(text: str) -> list[str]:
    try:
        document = parse_yaml(text, "c.yaml")
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return [str(fault) for fault in document.faults.values()]


def test_values_keep_their_lines_and_their_text() -> None:
    document = parse_yaml("a:\n  - 0123456\n  - 'x'\n", "c.yaml")
    assert document.data == {"a": [42798, "x"]}
    assert document.line(("a", 1)) == 3
    assert document.written == {("a", 0): "0123456"}


def test_duplicate_keys_name_both_lines() -> None:
    assert faults("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n") == [
        "c.yaml:4: a: duplicate key, first on line 1; keep one",
        "c.yaml:3: b.c: duplicate key, first on line 2; keep one",
    ]


def test_a_merged_key_may_be_overridden() -> None:
    document = parse_yaml("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n", "c.yaml")
    assert document.faults == {}
    assert document.data["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: 1", 'c.yaml:1: on: key on is not quoted, YAML reads it as another value; write "on"'),
        (
            "a: 2026-13-45",
            "c.yaml:1: a: 2026-13-45 is not a day of the calendar; write an existing date, or put it in quotes if it "
            "is no date",
        ),
        ("a: &x [*x]", "c.yaml:1: a[0]: is an alias that contains itself; write the value out"),
        ("? [a]\n: 1", "c.yaml:1: a key must be a string; write it as a string"),
    ],
)
def test_faults_of_single_values(text: str, expected: str) -> None:
    assert faults(text) == [expected]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x: 1\na: [\n", "c.yaml:3: is not valid YAML: "),
        ("a:\n\tb: 1", "c.yaml:2: is not valid YAML: "),
        ("x: 1\ny: 2\na: b: c", "c.yaml:3: is not valid YAML: "),
        ("---\na: 1\n---\nb: 2", "c.yaml:3: contains more than one document; "),
        ("x: 1\na: \x07", "c.yaml:2: contains the character U+0007, "),
        ("x: 1\na: 'x", "c.yaml:2: is not valid YAML: "),
        ("%YAML 9", "c.yaml:1: is not valid YAML: "),
        ("[" * 5000, "c.yaml:1: is not valid YAML: exceeded maximum nesting depth; "),
    ],
)
def test_text_that_is_not_yaml_is_one_fault_with_its_line(text: str, place: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(place)


def test_what_to_do_about_text_that_is_not_yaml() -> None:
    assert faults("a: b\n\tc: d")[0].endswith("; indent with spaces, not tabs")
    assert faults("a: [")[0].endswith("; check indentation, colons and quotes near this line")
    assert faults("a: \x07")[0].endswith("; remove it")


def test_duplicate_keys_after_a_merged_mapping_and_after_a_bad_key_are_found() -> None:
    duplicate = "duplicate key, first on line {}; keep one"
    assert faults("b: &b {x: 1}\nm:\n  <<: *b\n  y: 1\n  y: 2\n") == [f"c.yaml:5: m.y: {duplicate.format(4)}"]
    assert faults("? [a]\n: 1\ny: 1\ny: 2\n") == [
        "c.yaml:1: a key must be a string; write it as a string",
        f"c.yaml:4: y: {duplicate.format(3)}",
    ]


def test_an_empty_document_is_none() -> None:
    assert parse_yaml("# nothing\n", "c.yaml").data is None


def test_python_tags_are_refused() -> None:
    (fault,) = faults("a: !!python/object/apply:os.system [ls]")
    assert "use plain values" in fault


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*<!'\"\n \t#0123456789_.~|>?%@`"), max_size=60))
def test_any_text_is_parsed_or_a_config_error(text: str) -> None:
    faults(text)


def bomb(levels: int, entry: str = "*a{}") -> str:
    """A text of which each level holds the one before it ten times: 10^levels values at the end."""
    higher = (f"a{one}: &a{one} [" + ",".join([entry.format(one - 1)] * 10) + "]" for one in range(1, levels))
    return "\n".join(["a0: &a0 [x,x,x,x,x,x,x,x,x,x]", *higher])


@pytest.mark.parametrize("levels", [6, 9, 30])
@pytest.mark.parametrize("entry", ["*a{}", "{{k: *a{}}}", "[[*a{}]]"])
def test_alias_bombs_are_refused_immediately(levels: int, entry: str) -> None:
    start = time.monotonic()
    (fault,) = faults(bomb(levels, entry))
    assert "contains aliases that add more than 500,000 values; write the values out" in fault
    assert time.monotonic() - start < 1


def test_merge_bombs_are_refused_immediately() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{key}: 1" for key in range(10)) + "}"]
    lines += [f"a{level}: &a{level} {{<<: [" + ", ".join([f"*a{level - 1}"] * 10) + "]}" for level in range(1, 9)]
    start = time.monotonic()
    (fault,) = faults("\n".join(lines))
    assert "contains aliases that add more than" in fault
    assert time.monotonic() - start < 1


def test_aliases_within_the_limit_are_expanded() -> None:
    data = parse_yaml("base: &b {x: [1, 2]}\nusers:\n" + "- *b\n" * 1000, "c.yaml").data
    assert data["users"] == [{"x": [1, 2]}] * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !!timestamp x", "c.yaml:1: a: the tag tag:yaml.org,2002:timestamp does not match x; use plain values"),
        ("a: !!int x", "c.yaml:1: a: the tag tag:yaml.org,2002:int does not match x; use plain values"),
        ("a: !!bool x", "c.yaml:1: a: the tag tag:yaml.org,2002:bool does not match x; use plain values"),
        ("a: !!binary eA==", "c.yaml:1: a: the tag tag:yaml.org,2002:binary is not supported; use plain values"),
        ("a: !!set {x}", "c.yaml:1: a: the tag tag:yaml.org,2002:set is not supported; use plain values"),
        ("a: !!omap [x: 1]", "c.yaml:1: a: the tag tag:yaml.org,2002:omap is not supported; use plain values"),
        ("a: !!map x", "c.yaml:1: a: the tag tag:yaml.org,2002:map is not supported; use plain values"),
        ("a: !!seq {x: 1}", "c.yaml:1: a: the tag tag:yaml.org,2002:seq is not supported; use plain values"),
        ("a: !x 1", "c.yaml:1: a: the tag !x is not supported; use plain values"),
        ("a: =", 'c.yaml:1: a: = is not quoted and not valid; write "="'),
        ("a: 0x1ffffffffffffffff", "c.yaml:1: a: 0x1ffffffffffffffff is not quoted and not valid"),
        ("a: &x 1\nb: &x 2", "c.yaml:2: the anchor &x is defined twice, first on line 1; give each a different name"),
        ("a: *x", "c.yaml:1: the alias *x has no anchor before it; write the value out"),
        ("a: &x {<<: *x}", "c.yaml:1: a.<<: is an alias that contains itself; write the keys out"),
        ("a: {<<: 1}", "c.yaml:1: a.<<: << must be a mapping or a list of mappings; write the keys out"),
        ("a: {<<: [1]}", "c.yaml:1: a.<<: << must be a mapping or a list of mappings; write the keys out"),
        ("a: 1\n---\nb: 2", "c.yaml:2: contains more than one document; keep one document per file"),
        ("[" * 51 + "]" * 51, "c.yaml:1: is nested more than 50 levels deep; simplify it"),
    ],
)
def test_values_that_python_cannot_represent_are_faults(text: str, expected: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(expected)


@pytest.mark.parametrize("value", ["9" * 5000, "1" + ":59" * 100_000, "0b" + "1" * 100_000, "1." + "0" * 100_000])
def test_long_numbers_are_refused_immediately(value: str) -> None:
    start = time.monotonic()
    (fault,) = faults(f"a: {value}")
    assert "is not quoted and not valid" in fault
    assert len(fault) < 2000
    assert time.monotonic() - start < 1


def test_of_several_merged_mappings_the_first_wins() -> None:
    document = parse_yaml("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n", "c.yaml")
    assert document.faults == {}
    assert document.data["c"] == {"x": 1, "y": 3, "z": 2}


def test_a_file_of_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.config.tree.MOST_VALUES", 100)
    assert faults("[" + "x," * 99 + "]") == []
    assert faults("[" + "x,\n" * 150 + "]") == ["c.yaml:101: contains more than 100 values; split it"]


def test_faults_contain_no_control_characters_and_stay_short() -> None:
    text = (
        '"bad\\e]0;T\\a\\nc.yaml:9: forged": &a\n"bad\\e]0;T\\a\\nc.yaml:9: forged": 1\n? "' + "k" * 5000 + '"\n: !x 1'
    )
    first, second = faults(text)
    assert first == ("c.yaml:2: bad\ufffd]0;T\ufffd\ufffdc.yaml:9: forged: duplicate key, first on line 1; keep one")
    assert second == "c.yaml:4: " + "k" * 500 + "...: the tag !x is not supported; use plain values"


def test_the_number_of_shown_faults_is_limited() -> None:
    with pytest.raises(ConfigError) as caught:
        raise ConfigError(tuple(Fault("c.yaml", line, "", "bad") for line in range(1, 251)))
    assert str(caught.value).splitlines()[99:] == ["c.yaml:100: bad", "and 150 more"]


TOKENS = [
    *("a", "b:", "- ", "{", "}", "[", "]", ", ", ": ", "\n", "\n  ", "&a ", "*a", "<<: *a", "!!timestamp ", "!!int "),
    *("!!python/none ", "!!binary ", "!!set ", "? ", "| ", "> ", "'", '"', "\\ud800", "\\e", "2026-01-01", "1:30"),
    *("0x", "1e9", ".nan", ".inf", "~", "on", "%YAML 1.1\n", "---\n", "...\n", "#", "\t", "\u3000", "\ufeff", "\x85"),
]


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_any_yaml_syntax_is_parsed_or_a_config_error(words: list[str]) -> None:
    faults("".join(words))


@pytest.mark.parametrize("text", ["key \U0001f511", "\U0001f511", "\\ \U0001f511\U0001f511 \\\\"])
def test_json_writes_rare_characters_as_two_escapes(text: str) -> None:
    written = json.dumps({"a": text})
    assert "\\ud83d\\udd11" in written
    assert parse_yaml(written, "c.json").data == {"a": text}


def test_half_of_such_a_pair_is_an_error_with_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml('{"a": "\\ud83d x", "b": "\\ud83d\\udd11"}', "c.json")
    assert str(caught.value) == (
        "c.json:1: is not valid YAML: found invalid Unicode character escape code; write the character itself, or the "
        "escapes of both halves of its surrogate pair"
    )
