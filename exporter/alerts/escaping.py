"""Text from a configuration inside rules: in PromQL strings, and in the Go templates of labels and annotations."""

from __future__ import annotations

import re

_REPLACEMENT = "\ufffd"
# What stands between \Q and \E or the end, a class of characters, the start of a named group, an escape, or any other
# character.
_PART = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?<|\\.|.",
    re.DOTALL,
)
_IN_GO = {"(?<": "(?P<", r"\C": "(?s:.)"}
"""What Prometheus' engine does not know of RE2's syntax, and what it has instead."""


def promql_string(text: str) -> str:
    """The text as a PromQL string."""
    return f'"{_escaped(text)}"'


def promql_regex(pattern: str) -> str:
    r"""A regular expression of RE2 for a whole name, as a PromQL string.

    Prometheus puts it between ``^(?:`` and ``)$``, which a ``\Q`` without its ``\E`` would quote too. What is quoted
    in this way is escaped character by character instead. Prometheus' engine is Go's, which lacks some of RE2's syntax.
    """
    return promql_string(_PART.sub(_in_go, pattern))


def _in_go(part: re.Match[str]) -> str:
    quoted = part["quoted"]
    return _IN_GO.get(part[0], part[0]) if quoted is None else re.escape(quoted)


def template_text(text: str) -> str:
    """A template that gives just this text, and that other parts of a template may follow.

    A brace may begin an action together with what follows, so a text with one becomes a string inside an action.
    """
    return f'{{{{ "{_escaped(text)}" }}}}' if "{" in text else text


def _escaped(text: str) -> str:
    """The text between the quotation marks of a Go string, which PromQL's strings follow."""
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in {'"', "\\"}:
        return "\\" + char
    # PromQL's lexer takes U+FFFD for invalid UTF-8.
    if char.isprintable() and char != _REPLACEMENT:
        return char
    return f"\\U{ord(char):08x}"
