"""A copy of this machine's file system, in which packages are installed for real: an overlay that leaves no trace."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from support.running import Running, keep

_SET_UP = """
set -eu
mount -t tmpfs tmpfs {space}
mkdir {space}/upper {space}/work {space}/root
mount -t overlay overlay -o lowerdir=/,upperdir={space}/upper,workdir={space}/work {space}/root
mount --rbind /proc {space}/root/proc
mount --rbind /dev {space}/root/dev
mount -t tmpfs tmpfs {space}/root/run
echo mounted
exec sleep 900
"""
# Also if the tests are run with a virtual environment active: a package uses what belongs to the system.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


class Machine:
    """Commands run as root in the copy. It shares processes and the network with the machine, and has no systemd."""

    def __init__(self) -> None:
        self._space = tempfile.mkdtemp(prefix="machine-")
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _SET_UP.format(space=self._space)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "mounted\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()
        # The mounts have ended with their process.
        Path(self._space).rmdir()

    def command(self, *arguments: str | Path, user: str | None = None) -> list[str]:
        """The arguments with which a command runs in the copy."""
        # Not through nsenter's own options: the copy's root is not a process' root.
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        identity = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return [
            *("nsenter", "--mount", f"--target={self._holder.pid}", "chroot", f"{self._space}/root"),
            *("env", "-i", *variables, *identity, *map(str, arguments)),
        ]

    def run(self, *arguments: str | Path, user: str | None = None) -> str:
        """Run a command that must succeed; what it printed."""
        code, output = self.outcome(*arguments, user=user)
        assert code == 0, f"{shlex.join(map(str, arguments))} exited with {code}:\n{output}"
        return output

    def outcome(self, *arguments: str | Path, user: str | None = None) -> tuple[int, str]:
        """The exit code of a command, and what it printed."""
        done = subprocess.run(
            self.command(*arguments, user=user),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=110,
            cwd="/",
        )
        keep(f"machine {Path(arguments[0]).name}", done.stdout.encode())
        return done.returncode, done.stdout

    def shell(self, script: str) -> str:
        """Run a script that must succeed; what it printed."""
        return self.run("sh", "-euc", script)

    def start(self, *arguments: str | Path, user: str) -> Running:
        """Start a process that goes on."""
        return Running(self.command(*arguments, user=user), cwd=Path("/"))


def possible() -> bool:
    """Whether this machine allows such copies: they need root and overlays."""
    if os.geteuid() != 0:
        return False
    try:
        with Machine():
            return True
    except (AssertionError, OSError):
        return False
