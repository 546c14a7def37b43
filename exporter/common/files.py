"""Reads what a configuration points at, and never waits for it: regular files only, and no more than a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from exporter.common.text import explained

_DIRECT = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class FileError(Exception):
    """A file cannot be read.

    Attributes:
        problem: what is wrong, to follow the file's name.
        hint: what to do about it.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(explained(problem, hint))
        self.problem = problem
        self.hint = hint


def read_regular_file(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    A pipe, a socket or a device may hold its reader for ever and cannot be read again at a reload, so only regular
    files are opened.

    Args:
        path: the file; symbolic links are followed.
        limit: bytes that it may hold.

    Raises:
        FileError: it does not exist, is not a regular file, may not be read, or is larger than the limit.
    """
    try:
        # Before opening: that alone changes the state of some devices.
        check_regular(path.stat())
        number = os.open(path, _DIRECT)
        with os.fdopen(number, "rb") as stream:
            # Another file may have taken the place meanwhile.
            check_regular(os.fstat(number))
            content = stream.read(limit + 1)
    except OSError as error:
        raise unreadable(error) from None
    except ValueError:
        raise FileError("is not a valid path", "write it without control characters") from None
    # None is what a file gives that has nothing to read yet, such as /proc/kmsg.
    if content is None:
        raise FileError("has nothing to read", "name a regular file")
    if len(content) > limit:
        raise FileError(f"is larger than {_size(limit)}", "name the right file, or make it smaller")
    return content


def check_regular(status: os.stat_result) -> None:
    """Refuse what is not a regular file.

    Raises:
        FileError: it is a folder, a pipe, a socket or a device.
    """
    if not stat.S_ISREG(status.st_mode):
        raise FileError("is not a regular file", "name a file, not a folder, pipe, socket or device")


def unreadable(error: OSError) -> FileError:
    """An error of the operating system as what is wrong with the file."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
        hint = "check the path"
    else:
        hint = f"check that uid {os.geteuid()} may read it"
    return FileError(f"cannot be read: {error.strerror or type(error).__name__}", hint)


def _size(limit: int) -> str:
    return f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit // 1024} KiB"
