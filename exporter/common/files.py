"""Reads files that a configuration names, without blocking: regular files only, up to a size limit."""

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
        problem: what is wrong; it reads well after the name of the file.
        hint: what to do about it.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(explained(problem, hint))
        self.problem = problem
        self.hint = hint


def read_regular_file(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    Only regular files are opened, because a pipe, a socket or a device may block for ever and cannot be re-read.

    Args:
        path: the file; symbolic links are followed.
        limit: maximum size in bytes.

    Raises:
        FileError: it does not exist, is not a regular file, is not readable, or is larger than the limit.
    """
    try:
        # Before opening, which alone changes the state of some devices.
        check_regular(path.stat())
        number = os.open(path, _DIRECT)
        with os.fdopen(number, "rb") as stream:
            # Again, because another file may have replaced it meanwhile.
            check_regular(os.fstat(number))
            content = stream.read(limit + 1)
    except OSError as error:
        raise unreadable(error) from None
    except ValueError:
        raise FileError("is not a valid path", "write it without control characters") from None
    # read() returns None for a file without data, such as /proc/kmsg.
    if content is None:
        raise FileError("has nothing to read", "name a regular file")
    if len(content) > limit:
        raise FileError(f"is larger than {_size(limit)}", "name the right file, or make it smaller")
    return content


def check_regular(status: os.stat_result) -> None:
    """Raise an error unless it is a regular file.

    Raises:
        FileError: it is a folder, a pipe, a socket or a device.
    """
    if not stat.S_ISREG(status.st_mode):
        raise FileError("is not a regular file", "name a file, not a folder, pipe, socket or device")


def unreadable(error: OSError) -> FileError:
    """The FileError for an error of the operating system."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
        hint = "check the path"
    elif error.errno in {errno.EMFILE, errno.ENFILE}:
        hint = "raise the limit of open files, such as LimitNOFILE= of the unit"
    elif error.errno in {errno.ENOSPC, errno.ENOMEM, errno.EIO, errno.ESTALE}:
        hint = "check memory, disks and mounts"
    else:
        hint = f"check that uid {os.geteuid()} may read it"
    return FileError(f"cannot be read: {error.strerror or type(error).__name__}", hint)


def _size(limit: int) -> str:
    return f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit // 1024} KiB"
