"""A client certificate in files that may be replaced at any time."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.files import FileError, read_regular_file

if TYPE_CHECKING:
    from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, time of the last change and size of each file."""
_BYTE_LIMIT = 1024 * 1024


class _EncryptedKeyError(Exception):
    """The key needs a password. Without this, OpenSSL would ask the terminal for one."""


def _no_password() -> str:
    raise _EncryptedKeyError


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The files of a client certificate.

    Attributes:
        cert_file: absolute path of the certificate, in PEM format, with the certificates between it and the authority.
        key_file: absolute path of its key, in PEM format.
    """

    cert_file: Path
    key_file: Path

    @property
    def stamp(self) -> Stamp:
        """Differs once one of the files has been replaced."""
        found = []
        for file in (self.cert_file, self.key_file):
            try:
                status = file.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def check(self) -> None:
        """Check that the files can be used now.

        Raises:
            ValueError: they cannot; the message names the files and no content.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file in (self.cert_file, self.key_file):
            try:
                read_regular_file(file, _BYTE_LIMIT)
            except FileError as error:
                raise ValueError(f"{file} {error}") from None
        try:
            context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
        except _EncryptedKeyError:
            raise ValueError(f"{self.key_file} is encrypted; write the key without a password") from None
        except (ssl.SSLError, OSError, ValueError):
            raise ValueError(
                f"{self.cert_file} and {self.key_file} are not a certificate and its key in PEM format"
            ) from None
