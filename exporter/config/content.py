"""Detects changes of a configuration file by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from exporter.common.files import FileError, read_regular_file

_BYTE_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file contained at one moment.

    Attributes:
        file: its path; symbolic links are followed.
        digest: SHA-256 of the content, in hexadecimal; "" if the file could not be read.
    """

    file: Path
    digest: str

    @property
    def readable(self) -> bool:
        """Whether the file could be read."""
        return bool(self.digest)

    @staticmethod
    def of(file: Path) -> FileContent:
        """The content of a file now."""
        try:
            return FileContent(file, hashlib.sha256(read_regular_file(file, _BYTE_LIMIT)).hexdigest())
        except FileError:
            return FileContent(file, "")
