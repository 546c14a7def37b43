"""Removes the secrets in use from text before it is logged, shown or stored."""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING, Any

import re2

from exporter.common.escapes import Unescaped, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REDACTED = "[redacted]"
_SHORTEST = 4
"""Minimum length of a secret to search for. A shorter one would match ordinary words, and each gap would reveal it."""
_SHORTEST_BASE64 = 8
_SHORTEST_CUT = 6
"""Minimum length of the beginning of a secret to remove at the end of a truncated text."""
_LAYERS = 3
"""Levels of escapes that are undone, such as a URL in JSON in a log line."""
_KEPT = 8
"""Secrets kept per source: a response to a request with a previous token may arrive after a rotation."""
_SOURCES = 4096
"""Sources kept. A configuration has a few, but reloads may rename them for years."""
_TOKEN = re.compile(r"pt-[^_]*_(.+)", re.IGNORECASE | re.DOTALL)
_PATTERN_MEMORY = 64 * 1024 * 1024
_MARKER = re.compile(re.escape(REDACTED))

_Span = tuple[int, int]


class Redactor:
    """Removes the secrets in use from text. Thread-safe.

    A secret is found as a whole, and a token of the platform also by the part after ``_`` alone: in plain, base64
    (standard and URL-safe, between any other bytes) and hexadecimal form, in upper and lower case, and with any of its
    characters escaped as in URLs, JSON, Python or HTML. A secret of less than four characters is not found in plain
    text.
    """

    def __init__(self) -> None:
        # Guards _kept and the replacement of _known, which readers use without the lock.
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, ...]] = {}
        self._known: _Known | None = _NOTHING

    def add(self, secret: str, source: str | None = None) -> None:
        """Add a secret: a token, a password, or ``user:password``. Adding one repeatedly is cheap.

        Args:
            secret: the text to remove from now on.
            source: where it comes from, such as a file. The last eight secrets per source are kept, so that years of
                rotation need no more memory. None for a secret that is never replaced.
        """
        if not secret:
            return
        key = f"\0{secret}" if source is None else source
        with self._lock:
            before = self._kept.pop(key, ())
            # Moved to the end, because it is in use.
            self._kept[key] = (*(one for one in before if one != secret), secret)[-_KEPT:]
            while len(self._kept) > _SOURCES:
                del self._kept[next(iter(self._kept))]
            if secret not in before:
                # Rebuilt on demand, because a configuration adds many secrets one after the other.
                self._known = None

    def clean(self, text: str, *, cut: bool = False) -> str:
        """The text with all forms of each secret replaced.

        Args:
            text: the text.
            cut: whether the text may be truncated, so that it may end with the beginning of a secret.
        """
        known = self._known or self._rebuilt()
        layers = [text]
        escapes: list[Unescaped] = []
        while len(layers) <= _LAYERS and (unescaped := unescape(layers[-1])) is not None:
            escapes.append(unescaped)
            layers.append(unescaped.text)
        found: list[_Span] = []
        for level, layer in enumerate(layers):
            for start, end in known.spans(layer, cut=cut):
                place = start, end
                for unescaped in reversed(escapes[:level]):
                    place = unescaped.origin(*place)
                # A gap that begins within an escape would break the JSON around it.
                found.append(escapes[0].whole(*place) if escapes else place)
        return _without(text, found) if found else text

    def _rebuilt(self) -> _Known:
        with self._lock:
            known = self._known or _Known({one for kept in self._kept.values() for one in kept})
            self._known = known
            return known


class _Known:
    """All forms of a set of secrets, and a pattern that quickly excludes texts without any."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {_folded(form) for secret in secrets for form in _forms(secret)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._pattern: Any = None
        if self._forms:
            options = re2.Options()
            options.max_mem = _PATTERN_MEMORY
            options.log_errors = False
            pattern = "|".join(re2.escape(form) for form in self._forms)
            self._pattern = re2.compile(_bytes(pattern), options)

    def spans(self, text: str, *, cut: bool) -> Iterator[_Span]:
        """The spans of forms in the text; they may overlap."""
        if self._pattern is None:
            return
        folded = _folded(text)
        if self._pattern.search(_bytes(folded)) is not None:
            for form in self._forms:
                start = folded.find(form)
                while start >= 0:
                    yield start, start + len(form)
                    start = folded.find(form, start + 1)
        if cut:
            for form in self._forms:
                for length in range(min(len(form) - 1, len(folded)), _SHORTEST_CUT - 1, -1):
                    if folded.endswith(form[:length]):
                        yield len(folded) - length, len(folded)
                        break


_NOTHING = _Known(())


def _without(text: str, found: list[_Span]) -> str:
    markers = [match.span() for match in _MARKER.finditer(text)]
    # A password such as "redacted" must not make the marker grow each time that a text is cleaned.
    found = [one for one in found if not any(first <= one[0] and one[1] <= last for first, last in markers)]
    pieces: list[str] = []
    done = 0
    for start, end in sorted(found):
        if start >= done and (start > done or not pieces):
            pieces += (text[done:start], REDACTED)
        done = max(done, end)
    return "".join((*pieces, text[done:]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_NOT_ALONE = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{GREEK CAPITAL LETTER SIGMA}"
"""The letters that `lower` does not replace each by itself: one becomes two, the other depends on what follows."""


def _folded(text: str) -> str:
    """The text in lower case, as long as before."""
    if text.isascii() or not any(letter in text for letter in _NOT_ALONE):
        return text.lower()
    return "".join(one if len(one := char.lower()) == 1 else char for char in text)


def _forms(secret: str) -> set[str]:
    """The forms in which a secret can appear.

    The part of a token before ``_`` is its public id and stays readable.
    """
    token = _TOKEN.fullmatch(secret)
    plain = {one for one in (secret, token[1] if token else "") if len(one) >= _SHORTEST}
    raw = {one.encode("utf-8", "surrogatepass") for one in plain}
    return {
        *plain,
        *(form for one in plain for form in _unescaped(one)),
        *(one.replace(" ", "+") for one in plain),  # as forms encode a space
        *(one.decode("latin-1") for one in raw),  # as header fields are read
        *(one.hex() for one in raw),
        *(form for one in raw for form in _base64_forms(one)),
    }


def _unescaped(secret: str) -> Iterator[str]:
    """Forms of a secret that itself contains escapes, as it appears after the escapes of a text were undone."""
    for _ in range(_LAYERS):
        unescaped = unescape(secret)
        if unescaped is None:
            return
        secret = unescaped.text
        if len(secret) >= _SHORTEST:
            yield secret


def _base64_forms(raw: bytes) -> set[str]:
    """The part of base64 output that depends only on the bytes: three alignments, two alphabets."""
    forms = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        # Without characters that also encode bits of the bytes before or after.
        start = (0, 2, 3)[offset]
        end = len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
        if end - start >= _SHORTEST_BASE64:
            forms |= {encoded[start:end], encoded[start:end].translate(_URL_SAFE)}
    return forms


_URL_SAFE = str.maketrans("+/", "-_")
