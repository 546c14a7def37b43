"""Until when a certificate is valid, which the standard library does not say of a certificate of one's own."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>(?:TRUSTED |X509 )?CERTIFICATE)-----(?P<body>[^-]*)-----END (?P=label)-----"
)
_VERSION = 0xA0
_UTC_TIME = 0x17
_LONG_FORM = 0x80
_BEFORE_VALIDITY = 3
"""Serial number, signature algorithm and issuer stand before the validity."""
_CENTURY_SPLIT = 50
"""Two digits below this are a year after 2000 (RFC 5280)."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is valid, both included, in epoch seconds."""

    not_before: float
    not_after: float

    @property
    def lifetime(self) -> float:
        """Seconds between the two."""
        return self.not_after - self.not_before


def validity_of(pem: bytes) -> Validity | None:
    """The validity of the first certificate in a PEM file; None if it cannot be read."""
    block = _BLOCK.search(pem)
    if block is None:
        return None
    try:
        certificate = _contents(base64.b64decode(block["body"]))[0]
        fields = _elements(_contents(certificate)[0])
        # The version is left out in the oldest certificates.
        skipped = _BEFORE_VALIDITY + (fields[0][0] == _VERSION)
        before, after = _elements(fields[skipped][1])
        return Validity(_time(*before), _time(*after))
    except (ValueError, IndexError, OverflowError):
        return None


def _contents(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first DER element, and what follows it."""
    _, content, rest = _element(data)
    return content, rest


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of the DER elements in a sequence."""
    found = []
    while data:
        tag, content, data = _element(data)
        found.append((tag, content))
    return found


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    tag, size, start = data[0], data[1], 2
    if size >= _LONG_FORM:
        start += size - _LONG_FORM
        size = int.from_bytes(data[2:start])
    if len(data) < start + size:
        raise ValueError("the element is cut off")
    return tag, data[start : start + size], data[start + size :]


def _time(tag: int, content: bytes) -> float:
    """UTCTime or GeneralizedTime in the only form that certificates may use: to the second, in UTC."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = f"{'20' if int(text[:2]) < _CENTURY_SPLIT else '19'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
