"""Escaping of configured texts in rules."""

from __future__ import annotations

import pytest

from exporter.alerts.escaping import template_text


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
