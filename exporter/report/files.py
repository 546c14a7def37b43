"""Writes the report to a file."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

_OWNER_ONLY = 0o600


def replace_file(file: Path, text: str, new_mode: int = _OWNER_ONLY) -> None:
    """Replace a file atomically. An existing file keeps its mode; a new one gets the given mode.

    A file that is not a regular file, such as /dev/stdout, is written to directly.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    try:
        target = file.resolve()
    except RuntimeError:  # raised by Path for a symbolic link that points at itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
    mode = target.stat().st_mode if target.exists() else stat.S_IFREG | new_mode
    if not stat.S_ISREG(mode):
        target.write_text(text, encoding="utf-8", newline="")
        return
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    written = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        written.chmod(stat.S_IMODE(mode))
        written.replace(target)
    except OSError:
        written.unlink()
        raise
