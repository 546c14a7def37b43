from __future__ import annotations

import pytest

from exporter.common.regex import compiled_regex


def test_patterns_match_as_in_re2() -> None:
    assert compiled_regex("(ci|bot)-.+").fullmatch("ci-1") is not None
    assert compiled_regex("(ci|bot)-.+").fullmatch("ci-") is None


def test_a_pattern_is_compiled_once() -> None:
    assert compiled_regex("once-.*") is compiled_regex("once-.*")


@pytest.mark.parametrize("pattern", ["(?=x)y", r"(x)\1", "(", "x{2000}"])
def test_patterns_that_prometheus_rules_do_not_support_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a valid RE2 regular expression"):
        compiled_regex(pattern)
