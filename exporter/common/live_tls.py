"""TLS settings for calling a server, whose files may be replaced at any time."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.certificates import TlsError, load_authority, load_pair, load_public_authorities, read_pem
from exporter.common.clock import SystemClock
from exporter.common.text import utc
from exporter.common.x509 import validity_of

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.common.clock import Clock
    from exporter.common.x509 import Validity

    Stamp = tuple[tuple[int, int, int, int], ...]
    """Inode, times of the last two kinds of change, and size of each file; zeros for a missing one."""

_RETRY = 1.0
"""Seconds after which files that could not be used are read again although they have not changed.

Reading may fail for another reason, such as too many open files; but not each request should read them.
"""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of TLS settings, as absolute paths; None for those that are not set.

    Attributes:
        ca_file: certificate authorities to trust instead of the public ones.
        cert_file: the client certificate, followed by the certificates between it and the authority.
        key_file: its key; it comes with `cert_file`, and the other way round.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate that is in use.

    Attributes:
        file: where it was read from.
        validity: from when until when it is valid; None if it does not say so in a form that can be read.
    """

    file: Path
    validity: Validity | None

    def problem(self, now: float, soon: float) -> str | None:
        """What is wrong with its validity, as a sentence that stays the same from day to day; None for nothing.

        Args:
            now: epoch seconds.
            soon: seconds before the expiry from which on it is a problem, but at most a third of the lifetime: short
                lifetimes mean that something renews the certificate.
        """
        validity = self.validity
        if validity is None:
            return None
        if now < validity.not_before:
            since = utc(validity.not_before)
            return f"{self.file} is not valid before {since}; check the clock, or wait before using it"
        if now > validity.not_after:
            return f"{self.file} expired at {utc(validity.not_after)}; renew it"
        if validity.not_after - now < min(soon, validity.lifetime / 3):
            return f"{self.file} expires at {utc(validity.not_after)}; renew it"
        return None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the files contained, and their state before they were read."""

    stamp: Stamp
    context: ssl.SSLContext
    proxy_context: ssl.SSLContext
    certificate: ClientCertificate | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why the files could not be used, in which state they were, and when to try again if they stay in it."""

    stamp: Stamp
    problem: str
    until: float

    def holds(self, stamp: Stamp, now: float) -> bool:
        """Whether there is no need to try again with files in this state, at a monotonic time."""
        return stamp == self.stamp and now < self.until


class LiveTls:
    """Certificate authorities and client certificate for calling a server. Threads may share it.

    Every new connection asks for the context, which is made again when a file has changed. Files that are not valid, or
    a certificate whose key has not been replaced yet, leave the last valid ones in use, and `problem` reports it.

    Args:
        files: the files.
        verify: whether to verify the server's certificate.
        system: whether to trust the system's authorities without `ca_file`, instead of the public ones of certifi,
            which are the same everywhere.
        clock: the time.
    """

    def __init__(
        self,
        files: TlsFiles | None = None,
        *,
        verify: bool = True,
        system: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.files = files or TlsFiles()
        self.verify = verify
        self._system = system
        self._clock = clock or SystemClock()
        # Any connection may read and replace these two. That needs no lock, since each is replaced as a whole.
        self._loaded: _Loaded | None = None
        self._failed: _Failed | None = None

    @property
    def has_files(self) -> bool:
        """Whether there are files to follow."""
        return self.files != TlsFiles()

    def check(self) -> None:
        """Read the files, if they have changed.

        Raises:
            TlsError: they cannot be used, and never could be.
        """
        self._current()

    @property
    def context(self) -> ssl.SSLContext:
        """The settings for a new connection to the server.

        Raises:
            TlsError: the files cannot be used, and never could be.
        """
        return self._current().context

    @property
    def proxy_context(self) -> ssl.SSLContext:
        """The same for an HTTPS proxy on the way, which is not shown the client certificate.

        Raises:
            TlsError: the files cannot be used, and never could be.
        """
        return self._current().proxy_context

    @property
    def certificate(self) -> ClientCertificate | None:
        """The client certificate in use, as of the last check or connection; None for none."""
        return None if self._loaded is None else self._loaded.certificate

    @property
    def problem(self) -> str | None:
        """Why the files' present content is not in use, as of the last check or connection; None if it is."""
        return None if self._failed is None else self._failed.problem

    def _current(self) -> _Loaded:
        stamp, loaded, failed = self._stamp(), self._loaded, self._failed
        if loaded is None or loaded.stamp != stamp:
            if loaded is not None and failed is not None and failed.holds(stamp, self._clock.monotonic()):
                return loaded
            try:
                loaded = self._loaded = self._load(stamp)
            except TlsError as error:
                self._failed = _Failed(stamp, str(error), self._clock.monotonic() + _RETRY)
                if loaded is None:
                    raise
                return loaded
        self._failed = None
        return loaded

    def _stamp(self) -> Stamp:
        named = (self.files.ca_file, self.files.cert_file, self.files.key_file)
        return tuple(_stamp_of(file) for file in named if file is not None)

    def _load(self, stamp: Stamp) -> _Loaded:
        files = self.files
        context = _new_context(verify=self.verify)
        proxy_context = context
        certificate = None
        if files.cert_file is not None and files.key_file is not None:
            proxy_context = _new_context(verify=self.verify)
            pem = read_pem("cert_file", files.cert_file)
            load_pair(context, pem, read_pem("key_file", files.key_file))
            certificate = ClientCertificate(files.cert_file, validity_of(pem.content))
        authority = None if files.ca_file is None else read_pem("ca_file", files.ca_file)
        for one in {context, proxy_context}:
            if authority is not None:
                load_authority(one, authority)
            elif self.verify and self._system:
                one.load_default_certs()
            elif self.verify:
                load_public_authorities(one)
        return _Loaded(stamp, context, proxy_context, certificate)


def _new_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    # As in Go and in later versions of Python: any certificate of ca_file is trusted, not only one that signed itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A server may ask for the client certificate only after it has seen the request.
    context.post_handshake_auth = True
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _stamp_of(file: Path) -> tuple[int, int, int, int]:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return (0, 0, 0, 0)
    # Includes the change time, because making a file readable changes nothing else.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
