"""The directory of the state files, whose disk can be filled.

As root it is a small tmpfs. Without root, the file size of the daemons is limited instead (RLIMIT_FSIZE), which SQLite
reports as a write error.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 24 * 1024 * 1024
_BLOCK = 64 * 1024
_SMALL = 4096


class Disk:
    """A directory on a small file system.

    Args:
        folder: is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._filler = folder / "filler"
        self._full = False
        self._mounted = os.geteuid() == 0 and _mount(folder)
        self.how = "tmpfs" if self._mounted else "RLIMIT_FSIZE, since no tmpfs could be mounted"

    @property
    def full(self) -> bool:
        """Whether the disk is full."""
        return self._full

    def fill(self, pids: list[int]) -> None:
        """Fill the disk."""
        self._full = True
        if not self._mounted:
            for pid in pids:
                self.limit(pid)
            return
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            # In ever smaller pieces, to the last byte.
            size = _BLOCK
            while size:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    size //= 2

    def limit(self, pid: int) -> None:
        """Apply the limit to a process that was started meanwhile."""
        if self._full and not self._mounted:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (_SMALL, hard))

    def free(self, pids: list[int]) -> None:
        """Free the disk."""
        self._full = False
        if self._mounted:
            self._filler.unlink(missing_ok=True)
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def close(self) -> None:
        """Unmount the file system."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


def _mount(folder: Path) -> bool:
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", str(folder)]
    return mount is not None and subprocess.run([mount, *options], check=False, capture_output=True).returncode == 0
