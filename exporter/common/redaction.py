"""Removes the secrets in use from text that comes from outside, before it is logged, shown or stored."""

from __future__ import annotations

import base64
import threading

REDACTED = "[redacted]"
_SHORTEST = 4
"""Characters below which a part of a secret is not looked for: it would match ordinary words."""


class Redactor:
    """Knows the secrets in use and takes them out of text. Any thread may use it."""

    def __init__(self) -> None:
        # Guards writers; readers use _forms, which is only ever replaced whole.
        self._lock = threading.Lock()
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Remember a secret: a token, a password, or ``user:password``. Adding one again costs nothing."""
        if not secret or secret in self._secrets:
            return
        with self._lock:
            self._secrets |= {secret}
            forms = {form for one in self._secrets for form in _forms(one)}
            # Longest first, so that a part does not spoil the whole.
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def clean(self, text: str) -> str:
        """The text with each secret, in every form that is known, replaced."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, REDACTED)
        return text


def _forms(secret: str) -> set[str]:
    """The ways in which a secret can appear: whole, the part of a token after ``_``, and base64 of both.

    The part of a token before ``_`` is its public id and stays readable.
    """
    private = secret.partition("_")[2] if secret.startswith("pt-") else ""
    plain = {one for one in (secret, private) if len(one) >= _SHORTEST}
    return plain | {form for one in plain for form in _base64_forms(one)}


def _base64_forms(text: str) -> set[str]:
    """The part of base64 output that depends on the text alone, for each of the three alignments."""
    raw = text.encode()
    forms = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        # Characters that also hold bits of what stands before or after the text.
        start = (0, 2, 3)[offset]
        end = len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
        forms.add(encoded[start:end])
    return {form for form in forms if len(form) >= _SHORTEST * 2}
