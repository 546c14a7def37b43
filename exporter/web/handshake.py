"""TLS handshakes of clients: which client certificates are accepted, and how failures are reported."""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING, Any, TypeAlias

from exporter.metrics.families.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Failed: TypeAlias = Callable[[Refusal, str], None]
    """Called with the reason why a handshake failed, and details."""

_NAME_TYPES = frozenset({"DNS", "email", "URI", "IP Address"})
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL."""
_CERTIFICATE_MESSAGE = 11
_TLS13 = 0x0304
_NOT_TLS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "BAD_RECORD_TYPE"})
"""Reasons of handshakes with clients that would not understand an alert."""
_CLIENT_LEFT = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


def _ignore(_: Refusal, __: str) -> None:
    """Report nothing: a context that no server uses yet."""


class Handshake(ssl.SSLObject):
    """One connection. Its handshake fails if the client's certificate has none of the allowed names."""

    allowed: frozenset[str] = frozenset()
    failed: Failed = staticmethod(_ignore)
    reason: str | None = None
    """Why the handshake has failed. Not the exception: with its traceback it would keep this object alive."""

    def do_handshake(self) -> None:
        """Continue the handshake with what the client has sent.

        Raises:
            ssl.SSLError: it failed, or needs more data.
        """
        if self.reason is not None:
            raise ssl.SSLError(self.reason)
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, *_CLIENT_LEFT):
            raise
        except ssl.SSLError as error:
            reason = str(getattr(error, "reason", None) or "unknown")
            self.failed(Refusal.TLS_HANDSHAKE, reason)
            if reason in _NOT_TLS:
                raise
            # asyncio closes the connection at once and drops the alert with the reason. If the handshake
            # seems to need more data, asyncio sends the alert; the client closes the connection, or it times out.
            self.reason = reason
            raise ssl.SSLWantReadError from None
        if self.allowed and not self.allowed & names_of(self.getpeercert()):
            self.failed(Refusal.CLIENT_NOT_ALLOWED, "")
            raise ssl.SSLCertVerificationError("the client's certificate has none of the names in client_allowed_sans")


class ServerTls(ssl.SSLContext):
    """The TLS settings of one version of the web configuration."""

    allowed: frozenset[str] = frozenset()
    """Names of which a client's certificate must have one; empty for no such check."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """A new connection; see `ssl.SSLContext.wrap_bio`."""
        self.sslobject_class = Handshake
        made = super().wrap_bio(*arguments, **options)
        if isinstance(made, Handshake):
            made.allowed = self.allowed
        return made


class CurrentTls(ssl.SSLContext):
    """Hands each new connection to the TLS settings in effect, which can change while the server runs.

    The settings of a context cannot be replaced as a whole, and asyncio takes only one context.
    """

    in_effect: Callable[[], ServerTls]
    failed: Failed

    @classmethod
    def of(cls, in_effect: Callable[[], ServerTls], failed: Failed) -> CurrentTls:
        """The context for the server.

        Args:
            in_effect: the settings for a new connection.
            failed: called when a handshake fails.
        """
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made.in_effect, made.failed = in_effect, failed
        return made

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """A new connection; see `ssl.SSLContext.wrap_bio`."""
        made = self.in_effect().wrap_bio(*arguments, **options)
        if isinstance(made, Handshake):
            made.failed = self.failed
        return made


def normal_name(name: str) -> str:
    """A name from a certificate or the configuration; an IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def names_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The subject alternative names of a certificate, as `ssl.SSLObject.getpeercert` returns it."""
    alternatives = (certificate or {}).get("subjectAltName", ())
    return frozenset(
        normal_name(name) if kind == "IP Address" else name for kind, name in alternatives if kind in _NAME_TYPES
    )


def accept_any_certificate(context: ssl.SSLContext) -> None:
    """Accept a client's certificate whoever has issued it, as Go does for `RequireAnyClientCert`.

    Python can request a certificate only together with verifying it. So the certificate that a client presents becomes
    the only one that its connection trusts. If a later version of Python does not call the hook any more, all
    certificates are refused.

    Raises:
        AttributeError: this Python has no such hook.
    """
    flags = context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    context.verify_flags = ssl.VerifyFlags(flags)

    def received(connection: ssl.SSLObject, direction: str, version: int, _: int, kind: int, data: bytes) -> None:
        if direction == "read" and kind == _CERTIFICATE_MESSAGE and (certificate := leaf_of(data, version)):
            trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trusted.verify_mode = ssl.CERT_REQUIRED
            trusted.load_verify_locations(cadata=certificate)
            connection.context = trusted

    # Read first, so that assigning to a name that is gone fails.
    context._msg_callback  # type: ignore[attr-defined]  # noqa: B018, SLF001 - the only way, see above
    context._msg_callback = received  # type: ignore[attr-defined]  # noqa: SLF001 - the same


def leaf_of(message: bytes, version: int) -> bytes:
    """The first certificate of a Certificate message (RFC 5246, 7.4.2; RFC 8446, 4.4.2) in DER; empty if there is none.

    Args:
        message: the handshake message with its header.
        version: the version of the protocol, such as 0x0304 for TLS 1.3.
    """
    body = message[4:]
    if version >= _TLS13:
        body = body[1 + body[0] :] if body else b""
    size = int.from_bytes(body[3:6], "big")
    return body[6 : 6 + size] if len(body) >= 6 + size and size else b""
