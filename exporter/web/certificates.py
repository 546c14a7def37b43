"""Checks the files and ciphers of `tls_server_config` before OpenSSL uses them, which could block or prompt."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NoReturn

from exporter.common.files import FileError, read_regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_BYTE_LIMIT = 16 * 1024 * 1024


class TlsError(Exception):
    """A file or cipher cannot be used.

    Attributes:
        key: the path of the key below `tls_server_config`.
        problem: what is wrong.
        hint: how to fix it.
    """

    def __init__(self, key: tuple[str | int, ...], problem: str, hint: str) -> None:
        super().__init__(problem)
        self.key = key
        self.problem = problem
        self.hint = hint


def check_file(key: str, file: Path) -> Path:
    """The file, if it is a readable regular file.

    Raises:
        TlsError: it is not.
    """
    try:
        read_regular_file(file, _BYTE_LIMIT)
    except FileError as error:
        raise TlsError((key,), f"{file} {error.problem}", error.hint) from None
    return file


def no_passphrase(file: Path) -> Callable[[], str]:
    """A password callback for OpenSSL that rejects an encrypted key instead of prompting at the terminal."""

    def refuse() -> NoReturn:
        raise TlsError(("key_file",), f"{file} is encrypted", "remove its passphrase with: openssl pkey")

    return refuse


def check_ciphers(names: Sequence[str]) -> None:
    """Check that OpenSSL knows each cipher: in a list it silently ignores unknown ones.

    Raises:
        TlsError: a cipher is unknown.
    """
    for number, name in enumerate(names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.set_ciphers(name)
        except (ssl.SSLError, ValueError):
            problem = f"the cipher {name} is not known to OpenSSL"
            hint = "use its OpenSSL name for TLS 1.2, such as ECDHE-RSA-AES128-GCM-SHA256; those of TLS 1.3 are fixed"
            raise TlsError(("cipher_suites", number), problem, hint) from None
