"""Writes a list or a report to a file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[BinaryIO], object]
    """Writes the whole content to a stream."""

_OWNER_ONLY = 0o600
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})
"""Errors with which an existing file may be writable although it cannot be replaced: it is a mount point, or its folder
is read-only."""


def replace_file(file: Path, content: str | Write, mode: int = _OWNER_ONLY) -> None:
    """Replace a file atomically. An existing file keeps its mode.

    A file that cannot be replaced, such as one that is mounted into a container, and one that is not a regular file,
    such as /dev/stdout, is written to directly.

    Args:
        file: the file; symbolic links are followed.
        content: the text, which becomes UTF-8, or a function that writes the content; it may be called a second time.
        mode: the mode of a new file.

    Raises:
        OSError: the file cannot be written. An existing file is unchanged, unless it cannot be replaced.
    """
    write = _writer(content) if isinstance(content, str) else content
    target, found = _resolved(file)
    if found is not None and not stat.S_ISREG(found):
        _write_directly(file, write)
        return
    try:
        _replace(target, write, stat.S_IMODE(found) if found is not None else mode)
    except OSError as error:
        if found is None or error.errno not in _NOT_REPLACEABLE:
            raise
        _write_directly(target, write)


def _writer(text: str) -> Write:
    return lambda stream: stream.write(text.encode())


def _resolved(file: Path) -> tuple[Path, int | None]:
    """The file that a name stands for, and its type and mode; None if it does not exist."""
    try:
        # Not of the resolved path: /dev/stdout may lead to a pipe, which has none.
        found = file.stat().st_mode
    except FileNotFoundError:
        found = None
    try:
        return file.resolve(), found
    except RuntimeError:  # raised by Path for a symbolic link that points at itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None


def _write_directly(file: Path, write: Write) -> None:
    with file.open("wb") as stream:
        write(stream)


def _replace(target: Path, write: Write, mode: int) -> None:
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    written = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            write(stream)
        written.chmod(mode)
        written.replace(target)
    except BaseException:
        # Ctrl-C, too, leaves nothing behind.
        with contextlib.suppress(OSError):
            written.unlink()
        raise
