"""Escapes configured text for rules: for the Go templates of labels and annotations."""

from __future__ import annotations

_REPLACEMENT = "\ufffd"


def template_text(text: str) -> str:
    """A template that renders as this text and may be followed by other parts of a template.

    A brace may start an action together with the next character, so text with a brace becomes a string in an action.
    """
    return f'{{{{ "{_escaped(text)}" }}}}' if "{" in text else text


def _escaped(text: str) -> str:
    """The text as it stands between the quotes of a Go string."""
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in {'"', "\\"}:
        return "\\" + char
    if char.isprintable() and char != _REPLACEMENT:
        return char
    return f"\\U{ord(char):08x}"
