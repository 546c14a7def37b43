"""Finds secrets in output: in full, the part of a token after ``_``, and base64 of both."""

from __future__ import annotations

import base64
import re
import threading


def forms(secret: str) -> frozenset[bytes]:
    """The encodings of a secret. Base64 has three, depending on the position."""
    plain = {secret}
    if secret.startswith("pt-") and "_" in secret:
        plain.add(secret.partition("_")[2])
    found = {one.encode() for one in plain}
    for one in plain:
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + one.encode() + b"\0" * (-(offset + len(one)) % 3))
            # Without the characters that depend on neighbouring bytes.
            first = -(-offset * 4 // 3)
            last = (offset + len(one)) * 8 // 6
            found.add(encoded[first:last])
    return frozenset(found)


class SecretSearch:
    """All secrets used so far. Thread-safe."""

    def __init__(self) -> None:
        # Guards the fields below.
        self._lock = threading.Lock()
        self._forms: dict[bytes, str] = {}
        self._pattern = re.compile(rb"(?!)")
        self.checks = 0

    def add(self, name: str, secret: str) -> None:
        """Search for another secret from now on; reports show its name."""
        with self._lock:
            self._forms |= dict.fromkeys(forms(secret), name)
            self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms))

    @property
    def longest(self) -> int:
        """Bytes of the longest encoding: this many of a piece of a stream are searched again with the next."""
        with self._lock:
            return max((len(form) for form in self._forms), default=1)

    def find(self, content: bytes) -> str | None:
        """The name of a secret that was found, with the masked text around it; None if there is none."""
        self.checks += 1
        found = self._pattern.search(content)
        if found is None:
            return None
        with self._lock:
            name = self._forms[found[0]]
        around = content[max(0, found.start() - 200) : found.start()] + b"***" + content[found.end() :][:60]
        return f"{name} after: {self._pattern.sub(b'***', around).decode('utf-8', 'replace')}"
