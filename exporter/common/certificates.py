"""Certificates and keys for TLS, from files or from a configuration itself.

Files are read here and not by OpenSSL, which would wait for a pipe, prompt for a passphrase, and read certificate and
key at different times.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import certifi

from exporter.common.files import FileError, read_regular_file, unreadable
from exporter.common.text import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BYTE_LIMIT = 16 * 1024 * 1024
_CERTIFICATE = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----", b"-----BEGIN X509 CERTIFICATE-")
_KEY = (b"PRIVATE KEY-----",)


class TlsError(Exception):
    """The TLS settings cannot be used.

    Attributes:
        key: the path of the key in the section of the TLS settings.
        problem: what is wrong.
        hint: how to fix it.
    """

    def __init__(self, key: tuple[str | int, ...], problem: str, hint: str) -> None:
        super().__init__(explained(problem, hint))
        self.key = key
        self.problem = problem
        self.hint = hint


@dataclass(frozen=True, slots=True, repr=False)
class Pem:
    """Certificates or a private key in PEM format.

    Attributes:
        key: the key of the configuration that they come from.
        content: the text. It may be a private key and is never shown.
        name: the file, or the key if the text is in the configuration itself.
    """

    key: str
    content: bytes
    name: str

    def fault(self, problem: str, hint: str) -> TlsError:
        """An error about it."""
        return TlsError((self.key,), f"{self.name} {problem}", hint)


def pem_of(key: str, text: str | None, file: Path | None) -> Pem | None:
    """What `key` or `key_file` sets; None if neither is set.

    Args:
        key: the key for the text, such as `cert`; the one for a file has `_file` after it.
        text: its value.
        file: the file.

    Raises:
        TlsError: both are set, or the file cannot be read.
    """
    if text is not None and file is not None:
        raise TlsError((key,), f"{key} and {key}_file are both set", "keep one of them")
    if text is not None:
        return Pem(key, text.encode(), f"the value of {key}")
    return None if file is None else read_pem(f"{key}_file", file)


def read_pem(key: str, file: Path) -> Pem:
    """What a file contains.

    Args:
        key: the key of the configuration that names it.
        file: the file.

    Raises:
        TlsError: it cannot be read.
    """
    try:
        return Pem(key, read_regular_file(file, _BYTE_LIMIT), str(file))
    except FileError as error:
        raise TlsError((key,), f"{file} {error.problem}", error.hint) from None


def load_pair(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    """Use a certificate, with its chain, and its key.

    Raises:
        TlsError: they are not valid or do not belong together, or the key is encrypted.
    """
    _check_contains(certificate, _CERTIFICATE, "certificate")
    _check_contains(key, _KEY, "private key")
    try:
        with _as_file(certificate.content) as certificate_path, _as_file(key.content) as key_path:
            context.load_cert_chain(certificate_path, key_path, _no_passphrase(key))
    except (OSError, ValueError) as error:
        reason = _why(error)
        if "MISMATCH" in reason:
            raise key.fault(
                "does not belong to the certificate", "use the key for which the certificate was issued"
            ) from None
        raise certificate.fault(f"or its key cannot be loaded: {reason}", _hint(error, "both are")) from None


def load_authority(context: ssl.SSLContext, authority: Pem) -> None:
    """Trust the certificates of an authority.

    Raises:
        TlsError: they are not valid.
    """
    _check_contains(authority, _CERTIFICATE, "certificate")
    try:
        with _as_file(authority.content) as path:
            context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise authority.fault(f"cannot be loaded: {_why(error)}", _hint(error, "it is")) from None


def load_public_authorities(context: ssl.SSLContext) -> None:
    """Trust the public authorities of certifi, which are the same everywhere.

    Raises:
        TlsError: their file cannot be read.
    """
    file = certifi.where()
    try:
        context.load_verify_locations(file)
    except OSError as error:
        raise TlsError(("ca_file",), f"{file} cannot be loaded: {_why(error)}", _hint(error, "it is")) from None


def _check_contains(pem: Pem, marks: tuple[bytes, ...], what: str) -> None:
    if not any(mark in pem.content for mark in marks):
        raise pem.fault(f"contains no {what} in PEM format", f"write the {what} with its BEGIN and END lines")


def _no_passphrase(key: Pem) -> Callable[[], str]:
    """A password callback for OpenSSL that refuses an encrypted key instead of prompting at the terminal."""

    def refuse() -> NoReturn:
        raise key.fault("is encrypted", "remove its passphrase with: openssl pkey -in OLD -out NEW")

    return refuse


def _why(error: Exception) -> str:
    # Errors that Python raises itself have no reason; those of the system, such as too many open files, have a text.
    if isinstance(error, ssl.SSLError):
        return error.reason or "not understood by the TLS library"
    return getattr(error, "strerror", None) or "not understood by the TLS library"


def _hint(error: Exception, what: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return unreadable(error).hint
    return f"check that {what} complete and in PEM format"


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path at which OpenSSL can read the content; in memory if the system allows it, because it may be a key."""
    try:
        number = os.memfd_create("pem", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        number = -1
    path = f"/proc/self/fd/{number}"
    if number < 0 or not Path(path).exists():
        if number >= 0:
            os.close(number)
        # Readable by this user only, and deleted at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with os.fdopen(number, "wb") as stream:
        stream.write(content)
        stream.flush()
        yield path
