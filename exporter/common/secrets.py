"""Secrets from files and the environment. Files are re-read when they change; secrets are never shown."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from exporter.common.files import FileError, check_regular, read_regular_file, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    Parse: TypeAlias = Callable[[bytes, str], "Secret"]
    """Makes a secret from the content of a file or variable; the second argument is its name, for errors."""
    Learn: TypeAlias = Callable[[str, str], None]
    """Called with each secret that is read and its source, before the secret is used."""

_BYTE_LIMIT = 64 * 1024


class SecretError(Exception):
    """A secret cannot be read. The message names the source and contains nothing of its content."""


class Secret:
    """A secret text. Only `reveal` returns it; str, repr, format and tracebacks do not show it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text. Call it only where the secret is sent."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled or copied")


class SecretSource(Protocol):
    """Where a secret comes from. The secret may change."""

    def current(self) -> Secret:
        """The secret as it is now.

        Raises:
            SecretError: it cannot be read, and never could be.
        """
        ...

    @property
    def problem(self) -> str | None:
        """Why the latest content of the source is not in use; None if it is."""
        ...

    @property
    def origin(self) -> str:
        """The name of the source in use, for messages."""
        ...

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """A secret to try after these were rejected; None if there is no other."""
        ...

    def use(self, secret: Secret) -> None:
        """Keep using this secret, which was accepted."""
        ...


def clean_secret(raw: bytes, source: str) -> Secret:
    """The token in the content of a file or variable.

    A byte order mark and white space at both ends are dropped. The rest must be one word of printable ASCII, because it
    is sent in an HTTP header.

    Raises:
        SecretError: the rest is empty or not valid in a token.
    """
    text = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise SecretError(f"{source} is empty; write the token into it")
    if b"\n" in text or b"\r" in text:
        raise SecretError(f"{source} contains more than one line; write only the token, on one line")
    if not all(0x21 <= byte <= 0x7E for byte in text):  # noqa: PLR2004 - the printable part of ASCII
        raise SecretError(
            f"{source} contains a character that is not valid in a token (space, control or non-ASCII); "
            "paste the token again"
        )
    return Secret(text.decode("ascii"))


def clean_password(raw: bytes, source: str) -> Secret:
    """The password in the content of a file.

    It may contain spaces and any characters, in UTF-8. One newline at its end, with or without a carriage return, is
    dropped, because editors add it.

    Raises:
        SecretError: the rest is empty, is not UTF-8 or contains a control character.
    """
    line = raw.removesuffix(b"\n")
    if line != raw:
        line = line.removesuffix(b"\r")
    if not line:
        raise SecretError(f"{source} is empty; write the password into it")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{source} is not UTF-8; save the password as UTF-8") from None
    if "\n" in text or "\r" in text:
        raise SecretError(f"{source} contains more than one line; write only the password, on one line")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):  # noqa: PLR2004 - the control characters of ASCII
        raise SecretError(f"{source} contains a control character; write the password again")
    return Secret(text)


class SecretValue:
    """A secret that does not change while the process runs, such as one from the environment."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def current(self) -> Secret:
        """The secret."""
        return self._secret

    @property
    def problem(self) -> str | None:
        """None, because the secret does not change."""
        return None

    @property
    def origin(self) -> str:
        """The environment, the only source that is read once."""
        return "the environment"

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """The secret, if it is not among these."""
        return None if self._secret in refused else self._secret

    def use(self, secret: Secret) -> None:
        """Do nothing: there is only one secret."""


class SecretFile:
    """A secret in a file, re-read whenever the file is replaced or changed.

    Kubernetes replaces a mounted secret by changing a symbolic link: the path then leads to a different inode, which
    counts as a change. After the first successful read, a file that cannot be read leaves the previous secret in use,
    and `problem` reports it.

    Args:
        path: the file.
        parse: makes a secret from its content; the default expects a token.
        learn: called with each secret that is read.
    """

    def __init__(self, path: Path, parse: Parse = clean_secret, learn: Learn | None = None) -> None:
        self._path = path
        self._parse = parse
        self._learn = learn
        # Each request of each worker reads them, so there is no lock: both fields are only replaced as a whole.
        self._kept: _Kept | None = None
        self._problem: str | None = None

    def current(self) -> Secret:
        """The secret in the file now, or the last valid one.

        Raises:
            SecretError: the file cannot be read or is not valid, and never was valid.
        """
        try:
            stamp = self._stamp()
            kept = self._kept
            if kept is None or kept.stamp != stamp:
                kept = self._kept = _Kept(stamp, self._read())
        except SecretError as error:
            self._problem = str(error)
            if self._kept is None:
                raise
            return self._kept.secret
        self._problem = None
        return kept.secret

    def _read(self) -> Secret:
        try:
            raw = read_regular_file(self._path, _BYTE_LIMIT)
        except FileError as error:
            raise SecretError(f"{self._path} {error}") from None
        secret = self._parse(raw, str(self._path))
        if self._learn is not None:
            self._learn(secret.reveal(), str(self._path))
        return secret

    def _stamp(self) -> tuple[int, int, int, int]:
        try:
            stat = self._path.stat()
            check_regular(stat)
        except OSError as error:
            raise SecretError(f"{self._path} {unreadable(error)}") from None
        except FileError as error:
            raise SecretError(f"{self._path} {error}") from None
        # Includes the change time, because making a file readable changes nothing else.
        return (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)

    @property
    def problem(self) -> str | None:
        """Why the file's present content is not in use; None if it is."""
        return self._problem

    @property
    def origin(self) -> str:
        """The file."""
        return str(self._path)

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """The file's present secret if it is not one of these, because the file was replaced meanwhile."""
        secret = self.current()
        return None if secret in refused else secret

    def use(self, secret: Secret) -> None:
        """Do nothing: there is only one secret."""


class SecretFiles:
    """Several files. One is in use until its secret is rejected; then the next one that is accepted is used.

    Args:
        paths: the files, in the order in which they are tried.
        learn: called with each secret that is read.
    """

    def __init__(self, paths: Sequence[Path], learn: Learn | None = None) -> None:
        self._files = [SecretFile(path, learn=learn) for path in paths]
        # Each worker reads and may change it, so there is no lock: it is only replaced as a whole.
        self._in_use = 0

    @property
    def files(self) -> tuple[SecretFile, ...]:
        """The files, in the order in which they are tried."""
        return tuple(self._files)

    def current(self) -> Secret:
        """The secret of the file in use; see `SecretFile.current`."""
        return self._files[self._in_use].current()

    @property
    def problem(self) -> str | None:
        """Why the present content of one of the files is not in use; None if all are valid.

        All files are checked, so that a successor that cannot be read is reported before it is needed.
        """
        for file in self._files:
            with contextlib.suppress(SecretError):
                file.current()
        return next((file.problem for file in self._files if file.problem is not None), None)

    @property
    def origin(self) -> str:
        """The file in use."""
        return self._files[self._in_use].origin

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """The first secret that is not one of these, starting at the file in use; skips files that are not valid."""
        return next((secret for _, secret in self._readable() if secret not in refused), None)

    def use(self, secret: Secret) -> None:
        """Use the file that contains this secret from now on."""
        self._in_use = next((number for number, one in self._readable() if one == secret), self._in_use)

    def _readable(self) -> Iterator[tuple[int, Secret]]:
        """Numbers and secrets of the files that are valid, starting at the file in use."""
        first, count = self._in_use, len(self._files)
        for number in (*range(first, count), *range(first)):
            with contextlib.suppress(SecretError):
                yield number, self._files[number].current()


@dataclass(frozen=True, slots=True)
class _Kept:
    """The content of a file, and its status just before it was read."""

    stamp: tuple[int, int, int, int]
    secret: Secret
