"""Tells when HTTPS was spoken to a port that speaks plain HTTP, or plain HTTP to one that speaks HTTPS."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING

import requests
import urllib3

from exporter.http.tls_problems import CONFIGURATION
from exporter.model.state import Reason
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""OpenSSL's reasons when the other side answers a TLS handshake with something else."""
_TLS_ALERT = "\x15\x03"
"""The first bytes of a TLS record that carries an alert, in any version of TLS."""
_TLS_EXPECTED = re.compile(
    rb"plain HTTP request was sent to HTTPS port"  # nginx and its relatives
    rb"|speaking plain HTTP to an SSL-enabled server port"  # Apache
    rb"|HTTP request to an HTTPS server"  # Go
    rb"|combination of host and port requires TLS",  # Tomcat
    re.IGNORECASE,
)
_CERTIFICATE_EXPECTED = re.compile(
    rb"(?P<none>No required SSL certificate was sent)|The SSL certificate error"  # nginx and its relatives
)
_WRITE_HTTPS = "the port speaks HTTPS, not plain HTTP: write https:// in endpoint"
_BAD_REQUEST = 400


def no_answer(chain: Sequence[BaseException], *, plain: bool) -> ApiError | None:
    """The error if a connection brought no answer because the port speaks the other scheme, or perhaps does.

    Args:
        chain: an exception of a library and its causes.
        plain: whether the request was plain HTTP and the port has never answered one.
    """
    proxy = any(isinstance(one, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)) for one in chain)
    if any(isinstance(one, ssl.SSLError) and getattr(one, "reason", None) in _NO_TLS for one in chain):
        port, key = ("port of the proxy", "proxy_url") if proxy else ("port", "endpoint")
        return ApiError(
            Reason.TLS, f"TLS: the {port} does not speak HTTPS, probably plain HTTP: write http:// in {key}"
        )
    if any(isinstance(one, http.client.BadStatusLine) and str(one.args[0]).startswith(_TLS_ALERT) for one in chain):
        return ApiError(Reason.CONNECTION, _WRITE_HTTPS)
    closed = any(isinstance(one, http.client.RemoteDisconnected) for one in chain)
    if proxy or not (closed or (plain and any(isinstance(one, ConnectionResetError) for one in chain))):
        return None
    hint = ": if the port speaks HTTPS, write https:// in endpoint" if plain else ""
    return ApiError(Reason.CONNECTION, f"connection failed: closed by the server without an answer{hint}")


def https_expected(status: int, body: bytes) -> ApiError | None:
    """The error if a port that speaks HTTPS refuses a request because of how it was sent; None otherwise.

    Either the request is plain HTTP, or it comes without a client certificate that the server accepts: some servers
    finish the handshake and answer with an error of HTTP.
    """
    if status != _BAD_REQUEST:
        return None
    if (certificate := _CERTIFICATE_EXPECTED.search(body)) is not None:
        why = CONFIGURATION.certificate if certificate["none"] else "the server refused the client certificate"
        return ApiError(Reason.TLS, f"HTTP {status}, TLS: {why}", status=status)
    if not _TLS_EXPECTED.search(body):
        return None
    return ApiError(Reason.INVALID_RESPONSE, f"HTTP {status}, {_WRITE_HTTPS}", status=status)
