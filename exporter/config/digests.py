"""Digests of the files that a configuration consists of, to detect changes of their content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from exporter.common.files import FileError, read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    Digests: TypeAlias = Mapping[Path, str]
    """SHA-256 of the content of each file, in hexadecimal; "" for a file that cannot be read."""

_BYTE_LIMIT = 64 * 1024 * 1024


def digests_of(files: Iterable[Path]) -> Digests:
    """The digests of these files now."""
    return {file: _digest(file) for file in files}


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(read_regular_file(file, _BYTE_LIMIT)).hexdigest()
    except FileError:
        return ""
