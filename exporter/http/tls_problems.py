"""Says in words why TLS failed, client certificates included; the texts of the libraries may repeat the request."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALERT = "_ALERT_"
_NO_CERTIFICATE = "CERTIFICATE_REQUIRED"
_CERTIFICATE_REFUSED = frozenset(
    {
        "ACCESS_DENIED",
        "BAD_CERTIFICATE",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_UNKNOWN",
        "UNKNOWN_CA",
        "UNSUPPORTED_CERTIFICATE",
    }
)
"""Alerts of TLS that a server sends about the client's certificate."""
_UNKNOWN_NAME = "UNRECOGNIZED_NAME"


@dataclass(frozen=True, slots=True)
class Advice:
    """Problems whose sentences name settings, so they differ between the configuration and a command.

    Attributes:
        certificate: the server requires a client certificate.
        name: the server has no certificate for the name in the URL.
    """

    certificate: str
    name: str


CONFIGURATION: Final = Advice(
    "the server requires a client certificate: set tls.cert_file and tls.key_file",
    "the server has no certificate for this host name (SNI): check the URL, or set tls.server_name",
)


def tls_problem(chain: Sequence[BaseException], advice: Advice = CONFIGURATION) -> str | None:
    """Why TLS failed; None if something else did.

    Args:
        chain: an exception of a library and its causes.
        advice: the sentences that name settings.
    """
    errors = [one for one in chain if isinstance(one, ssl.SSLError)]
    if not errors and not any(isinstance(one, requests.exceptions.SSLError) for one in chain):
        return None
    for error in errors:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if (found := _alert(getattr(error, "reason", None) or "", advice)) is not None:
            return found
    return "handshake failed"


def _alert(reason: str, advice: Advice) -> str | None:
    """What an alert of the server means; OpenSSL's names for alerts begin with a version of TLS."""
    if _UNKNOWN_NAME in reason:
        return advice.name
    name = reason.partition(_ALERT)[2]
    words = name.replace("_", " ").lower()
    if name == _NO_CERTIFICATE:
        return advice.certificate
    if name in _CERTIFICATE_REFUSED:
        return f"the server refused the client certificate ({words})"
    if name:
        return f"the server refused the handshake ({words}); it may require a client certificate or another version"
    return None
