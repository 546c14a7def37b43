"""Secrets from files and environment: read anew when the file changes, shown nowhere."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from exporter.common.files import FileError, check_regular, read_regular_file, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    Parse: TypeAlias = Callable[[bytes, str], "Secret"]
    """Makes a secret of the content of a file or variable, whose name is given for the error."""
    Learn: TypeAlias = Callable[[str, str], None]
    """Is given each secret that is read and where it comes from, before anything uses it."""

_BYTE_LIMIT = 64 * 1024


class SecretError(Exception):
    """A secret cannot be had. The message names the source and never holds any of its content."""


class Secret:
    """A secret text. Only `reveal` gives it away: neither str, repr, format nor a traceback does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled or copied")


class SecretSource(Protocol):
    """Where a secret comes from, and may come from anew."""

    def current(self) -> Secret:
        """The secret as it is now.

        Raises:
            SecretError: it cannot be had.
        """
        ...

    @property
    def problem(self) -> str | None:
        """Why the source no longer gives a newer secret; None if all is well."""
        ...

    @property
    def origin(self) -> str:
        """Where the secret comes from now, for people."""
        ...

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """A secret to try after these have been refused; None if there is no other."""
        ...

    def settle(self, secret: Secret) -> None:
        """Go on with this one, which has been taken."""
        ...


def clean_secret(raw: bytes, source: str) -> Secret:
    """The secret in the content of a file or variable.

    A byte order mark and white space at the ends (the newline that editors leave, with or without a carriage return)
    are dropped. What is left must be one word of printable ASCII, for it goes into an HTTP header.

    Raises:
        SecretError: nothing is left, or what is left cannot be a token.
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

    It may hold blanks at any place and characters of any language, in UTF-8. One newline at its end is dropped, with or
    without a carriage return: editors leave it.

    Raises:
        SecretError: nothing is left, or what is left is not UTF-8 or holds a control character.
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
    """A secret that does not change as long as the process lives, such as one from the environment."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def current(self) -> Secret:
        """The secret."""
        return self._secret

    @property
    def problem(self) -> str | None:
        """None: what does not change does not go bad."""
        return None

    @property
    def origin(self) -> str:
        """The environment: nothing else is read once only."""
        return "the environment"

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """The secret, if it is not among these."""
        return None if self._secret in refused else self._secret

    def settle(self, secret: Secret) -> None:
        """There is nothing to choose from."""


class SecretFile:
    """A secret in a file, read again whenever the file is another one or has changed.

    Kubernetes swaps a mounted secret by pointing a symbolic link elsewhere: then the path leads to another inode, which
    is seen like any other change. Once a secret has been had, a file that has gone bad leaves it in force and is told
    of by `problem`.

    Args:
        path: the file.
        parse: makes a secret of its content; by default as a token.
        learn: is given each secret that is read.
    """

    def __init__(self, path: Path, parse: Parse = clean_secret, learn: Learn | None = None) -> None:
        self._path = path
        self._parse = parse
        self._learn = learn
        # Every request of every worker asks, so there is no lock: both fields are only ever replaced whole.
        self._kept: _Kept | None = None
        self._problem: str | None = None

    def current(self) -> Secret:
        """The secret as the file has it now, or as it last had it in good shape.

        Raises:
            SecretError: the file cannot be read, is empty, or holds what cannot be a token, and never was better.
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
        # The change time too: making a file readable changes nothing else.
        return (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)

    @property
    def problem(self) -> str | None:
        """Why the file's present content is not in force; None if it is."""
        return self._problem

    @property
    def origin(self) -> str:
        """The file."""
        return str(self._path)

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        """What the file holds now, if it is not among these: it may have been replaced meanwhile."""
        secret = self.current()
        return None if secret in refused else secret

    def settle(self, secret: Secret) -> None:
        """There is nothing to choose from."""


class SecretFiles:
    """Several files of which one is in use until its secret is refused; then the next that is taken stays in use.

    Args:
        paths: the files, in the order in which they are tried.
        learn: is given each secret that is read.
    """

    def __init__(self, paths: Sequence[Path], learn: Learn | None = None) -> None:
        self._files = [SecretFile(path, learn=learn) for path in paths]
        # Every worker asks and may move on, so there is no lock: it is only ever replaced whole.
        self._in_use = 0

    @property
    def files(self) -> tuple[SecretFile, ...]:
        """The files, each by itself."""
        return tuple(self._files)

    def current(self) -> Secret:
        """The secret of the file in use; as `SecretFile.current`."""
        return self._files[self._in_use].current()

    @property
    def problem(self) -> str | None:
        """Why the present content of one of the files is not in force; None if all are.

        All are looked at, so that a successor that cannot be read is told of before it is needed.
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
        """The first secret that is not among these, from the file in use on; files that give none are passed over."""
        return next((secret for _, secret in self._had() if secret not in refused), None)

    def settle(self, secret: Secret) -> None:
        """Go on with the file that holds this secret."""
        self._in_use = next((number for number, one in self._had() if one == secret), self._in_use)

    def _had(self) -> Iterator[tuple[int, Secret]]:
        """Numbers of files with their secrets, from the file in use on."""
        first, count = self._in_use, len(self._files)
        for number in (*range(first, count), *range(first)):
            with contextlib.suppress(SecretError):
                yield number, self._files[number].current()


@dataclass(frozen=True, slots=True)
class _Kept:
    """The content of a file, and what the file looked like from outside just before it was read."""

    stamp: tuple[int, int, int, int]
    secret: Secret
