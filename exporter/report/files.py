"""Writes the report's file."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

_OWNER_ALONE = 0o600


def replace_file(file: Path, text: str) -> None:
    """Write a file whole or not at all. A new one is its owner's alone, one that was there keeps its mode.

    What is no regular file, such as /dev/stdout, is written to as it is.

    Raises:
        OSError: it cannot be written; a file that was there before stays.
    """
    try:
        target = file.resolve()
    except RuntimeError:  # what Path makes of a symbolic link that leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
    mode = target.stat().st_mode if target.exists() else stat.S_IFREG | _OWNER_ALONE
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
