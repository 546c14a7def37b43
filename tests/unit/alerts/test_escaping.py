"""Escaping of configured texts in rules."""

from __future__ import annotations

import pytest

from exporter.alerts.escaping import promql_regex, promql_string, template_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain 张三", '"plain 张三"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("two\nlines\t\x00", r'"two\U0000000alines\U00000009\U00000000"'),
        # the lexer takes it for a sign of invalid UTF-8
        ("\ufffd", r'"\U0000fffd"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_a_text_becomes_a_promql_string(text: str, expected: str) -> None:
    assert promql_string(text) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"sandbox-.*", r'"sandbox-.*"'),
        (r"a\.b|c", r'"a\\.b|c"'),
        (r"\Qa.b", r'"a\\.b"'),
        (r"\Qa.b\E.*\Q(", r'"a\\.b.*\\("'),
        # an escaped backslash and a Q
        (r"a\\Q.", r'"a\\\\Q."'),
        (r"\Qa\\E.", r'"a\\\\."'),
        # what Go's engine lacks
        (r"(?<n>a)\C[(?<\]\C]", r'"(?P<n>a)(?s:.)[(?<\\]\\C]"'),
        (r"[]\Q(?<]", r'"[]\\Q(?<]"'),
    ],
)
def test_a_pattern_keeps_its_meaning_when_prometheus_anchors_it(pattern: str, expected: str) -> None:
    assert promql_regex(pattern) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("platform }} 张三", "platform }} 张三"),
        ("foo{", '{{ "foo{" }}'),
        ('{{ $labels.x "y" \\ }}', r'{{ "{{ $labels.x \"y\" \\ }}" }}'),
        ("{\n", r'{{ "{\U0000000a" }}'),
    ],
)
def test_a_text_becomes_a_template_that_renders_as_the_text(text: str, expected: str) -> None:
    assert template_text(text) == expected
