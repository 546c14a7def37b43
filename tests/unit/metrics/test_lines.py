from __future__ import annotations

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
