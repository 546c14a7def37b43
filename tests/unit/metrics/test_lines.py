from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.families.base import Family, Kind
from exporter.metrics.lines import block, head, lines
from exporter.model.token import NEVER

FAMILY = Family("things", Kind.GAUGE, ("zone", "app"), 'Back\\slash,\nline, "quote".', "", ("", ""))
PLAIN = Family("up", Kind.GAUGE, (), "Up.", "", ("", ""))


def test_the_head_escapes_backslashes_and_line_breaks_but_no_quotes() -> None:
    assert head(FAMILY) == b'# HELP things Back\\\\slash,\\nline, "quote".\n# TYPE things gauge\n'


def test_labels_are_sorted_by_name_and_escaped() -> None:
    text = lines(FAMILY, [(("z", 'a"b\\c\nd'), 2)])
    assert text == b'things{app="a\\"b\\\\c\\nd",zone="z"} 2.0\n'


def test_further_labels_take_their_place() -> None:
    assert lines(FAMILY, [(("z", "a", "m"), 1)], ("mid",)) == b'things{app="a",mid="m",zone="z"} 1.0\n'


def test_a_family_without_labels_has_no_braces() -> None:
    assert block(PLAIN, [((), NEVER)]) == b"# HELP up Up.\n# TYPE up gauge\nup +Inf\n"


def test_no_samples_are_no_lines() -> None:
    assert lines(FAMILY, []) == b""


def test_one_label_is_no_special_case() -> None:
    single = Family("one", Kind.GAUGE, ("app",), "One.", "", ("", ""))
    assert lines(single, [(("a\nb",), 1), (("c",), 0.5)]) == b'one{app="a\\nb"} 1.0\none{app="c"} 0.5\n'


values = st.text(st.sampled_from('ab"\\\n%{},= 王'), max_size=5)


@given(st.lists(st.tuples(st.tuples(values, values), st.floats(allow_nan=False)), max_size=4))
def test_any_label_is_escaped_character_by_character(samples: list[tuple[tuple[str, str], float]]) -> None:
    table = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}

    def escaped(text: str) -> str:
        return "".join(table.get(character, character) for character in text)

    expected = [
        f'things{{app="{escaped(app)}",zone="{escaped(zone)}"}} {"+Inf" if value == NEVER else repr(value)}\n'
        for (zone, app), value in samples
    ]
    assert lines(FAMILY, samples) == "".join(expected).encode()
