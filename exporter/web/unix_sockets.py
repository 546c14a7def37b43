"""Listening on a unix socket, a file that clients of this machine connect to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "unix:"
MODE = 0o660
"""Owner and group of the process may connect."""
_BACKLOG = 128
_MAX_BYTES = 107
"""Bytes of a path that Linux accepts for a socket."""
_CONNECT_TIMEOUT = 1.0
_LOCK_TIMEOUT = 5.0


class UnixSocketError(Exception):
    """Listening on a unix socket failed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket to listen on.

    Attributes:
        path: the file.
    """

    path: Path

    @classmethod
    def parse(cls, text: str) -> UnixAddress:
        """Read ``unix:/run/exporter.sock``.

        Raises:
            ValueError: the path is not absolute, is too long, or contains a NUL character.
        """
        path = text.removeprefix(PREFIX)
        if not path.startswith("/") or "\0" in path or path.endswith("/"):
            raise ValueError(
                f"{text!r} is not a valid listen address; use an absolute path, such as unix:/run/exporter.sock"
            )
        if len(os.fsencode(path)) > _MAX_BYTES:
            raise ValueError(f"{text!r} is longer than the {_MAX_BYTES} bytes that a unix socket allows; shorten it")
        return cls(Path(path))

    def __str__(self) -> str:
        return f"{PREFIX}{self.path}"


class UnixListener(socket.socket):
    """A listening unix socket that removes its file when it is closed."""

    file: Path
    identity: tuple[int, int]

    def close(self) -> None:
        """Close the socket and remove its file, unless another process has replaced it."""
        if self.fileno() >= 0 and _identity(self.file) == self.identity:
            with contextlib.suppress(OSError):
                self.file.unlink()
        super().close()


def listen_on(address: UnixAddress) -> socket.socket:
    """Open a listening unix socket. The file of a dead process is replaced.

    Raises:
        UnixSocketError: another process listens there, the file is not a socket, or the folder does not allow it.
    """
    try:
        with _locked(address.path.parent):
            _remove_stale(address)
            return _open(address)
    except OSError as error:
        hint = f"check that the folder exists and that uid {os.geteuid()} may write to it"
        raise UnixSocketError(f"cannot listen on {address}: {error.strerror or error}; {hint}") from error


def _open(address: UnixAddress) -> UnixListener:
    opened = UnixListener(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.file, opened.identity = address.path, (-1, -1)
    try:
        opened.bind(str(address.path))
        opened.identity = _identity(address.path) or (-1, -1)
        # Before listening, so that no other user can connect meanwhile.
        address.path.chmod(MODE)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _remove_stale(address: UnixAddress) -> None:
    try:
        mode = address.path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UnixSocketError(f"cannot listen on {address}: the file is not a socket; remove it or choose another path")
    if _answers(address.path):
        raise UnixSocketError(
            f"cannot listen on {address}: another process listens there; stop it or choose another path"
        )
    address.path.unlink()


def _answers(path: Path) -> bool:
    """Whether a process listens on a socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_TIMEOUT)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
        except (TimeoutError, BlockingIOError):
            # Its queue is full.
            return True
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, so that two processes do not replace each other's file."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        yield
    finally:
        os.close(number)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
