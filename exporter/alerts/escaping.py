"""Escapes configured text for rules: for PromQL strings and for Go templates of labels and annotations."""

from __future__ import annotations

import re

_REPLACEMENT = "\ufffd"
# Text between \Q and \E or the end, a character class, the start of a named group, an escape, or any other character.
_PART = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?<|\\.|.",
    re.DOTALL,
)
_IN_GO = {"(?<": "(?P<", r"\C": "(?s:.)"}
"""Syntax of RE2 that Prometheus' regular expressions lack, and its equivalent there."""


def promql_string(text: str) -> str:
    """The text as a PromQL string."""
    return f'"{_escaped(text)}"'


def promql_regex(pattern: str) -> str:
    r"""A regular expression of RE2 that matches an entire name, as a PromQL string.

    Prometheus wraps it in ``^(?:`` and ``)$``, which an unclosed ``\Q`` would quote too, so quoted text is escaped
    character by character instead. Prometheus uses Go's regular expressions, which lack some of RE2's syntax.
    """
    return promql_string(_PART.sub(_in_go, pattern))


def _in_go(part: re.Match[str]) -> str:
    quoted = part["quoted"]
    return _IN_GO.get(part[0], part[0]) if quoted is None else re.escape(quoted)


def template_text(text: str) -> str:
    """A template that renders as this text and may be followed by other parts of a template.

    A brace may start an action together with the next character, so text with a brace becomes a string in an action.
    """
    return f'{{{{ "{_escaped(text)}" }}}}' if "{" in text else text


def _escaped(text: str) -> str:
    """The text as it stands between the quotes of a Go string, whose syntax PromQL shares."""
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in {'"', "\\"}:
        return "\\" + char
    # PromQL's lexer treats U+FFFD as invalid UTF-8.
    if char.isprintable() and char != _REPLACEMENT:
        return char
    return f"\\U{ord(char):08x}"
