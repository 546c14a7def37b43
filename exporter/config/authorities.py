"""Checks files of certificate authorities."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

from exporter.common.files import FileError, read_regular_file

if TYPE_CHECKING:
    from pathlib import Path

_BYTE_LIMIT = 16 * 1024 * 1024


def check_authorities(file: Path) -> str:
    """Check a file of certificate authorities, and return the SHA-256 of its content, in hexadecimal.

    Raises:
        ValueError: it cannot be read or contains no certificate.
    """
    try:
        content = read_regular_file(file, _BYTE_LIMIT)
    except FileError as error:
        raise ValueError(f"{file} {error}") from None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=file)
        found = context.get_ca_certs()
    except (ssl.SSLError, OSError, ValueError):
        found = []
    if not found:
        raise ValueError(f"{file} contains no certificate in PEM format; export the authority's certificate as PEM")
    return hashlib.sha256(content).hexdigest()
