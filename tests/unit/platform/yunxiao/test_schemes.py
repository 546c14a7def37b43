from __future__ import annotations

import http.client
import ssl

import pytest
import requests
import urllib3

from exporter.model.state import Reason
from exporter.platform.yunxiao.failures import broken
from exporter.platform.yunxiao.schemes import https_expected


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words of OpenSSL")
    error.reason = reason
    return error


def lost(cause: Exception) -> requests.ConnectionError:
    """As requests and urllib3 wrap it."""
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))


HTTP_THERE = "TLS: the port does not speak HTTPS, probably plain HTTP: write http:// in endpoint"
HTTPS_THERE = "the port speaks HTTPS, not plain HTTP: write https:// in endpoint"
CLOSED = "connection failed: closed by the server without an answer"
PERHAPS = f"{CLOSED}: if the port speaks HTTPS, write https:// in endpoint"


@pytest.mark.parametrize(
    ("error", "plain", "reason", "detail"),
    [
        (requests.exceptions.SSLError(tls_error("WRONG_VERSION_NUMBER")), False, Reason.TLS, HTTP_THERE),
        (requests.exceptions.SSLError(tls_error("RECORD_LAYER_FAILURE")), False, Reason.TLS, HTTP_THERE),
        (
            requests.exceptions.SSLError(tls_error("UNSUPPORTED_PROTOCOL")),
            False,
            Reason.TLS,
            "TLS: handshake failed",
        ),
        (
            requests.exceptions.ProxyError(urllib3.exceptions.ProxyError("x", tls_error("WRONG_VERSION_NUMBER"))),
            False,
            Reason.TLS,
            "TLS: the port of the proxy does not speak HTTPS, probably plain HTTP: write http:// in proxy_url",
        ),
        (lost(http.client.BadStatusLine("\x15\x03\x01\x00\x02\x02F")), True, Reason.CONNECTION, HTTPS_THERE),
        (lost(http.client.RemoteDisconnected("no response")), True, Reason.CONNECTION, PERHAPS),
        (lost(http.client.RemoteDisconnected("no response")), False, Reason.CONNECTION, CLOSED),
        (lost(ConnectionResetError(104, "Connection reset by peer")), True, Reason.CONNECTION, PERHAPS),
        (
            requests.exceptions.ProxyError(lost(http.client.RemoteDisconnected("no response"))),
            True,
            Reason.CONNECTION,
            "the proxy cannot be reached or refused the connection",
        ),
        (
            lost(ConnectionResetError(104, "Connection reset by peer")),
            False,
            Reason.CONNECTION,
            "connection failed: Connection reset by peer",
        ),
    ],
)
def test_a_port_that_speaks_the_other_scheme(error: Exception, *, plain: bool, reason: Reason, detail: str) -> None:
    failure = broken(error, 5.0, over=False, plain=plain)
    assert (failure.reason, failure.detail) == (reason, detail)


@pytest.mark.parametrize(
    "body",
    [
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"Bad Request\r\nThis combination of host and port requires TLS.\r\n",
    ],
)
def test_a_refusal_of_plain_http_is_recognised(body: bytes) -> None:
    error = https_expected(400, body)
    assert error is not None
    assert (error.reason, error.detail, error.status) == (Reason.INVALID_RESPONSE, f"HTTP 400, {HTTPS_THERE}", 400)


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"errorCode":"BadRequest"}'), (400, b""), (403, b"plain HTTP request was sent to HTTPS port")],
)
def test_other_answers_say_nothing_about_the_scheme(status: int, body: bytes) -> None:
    assert https_expected(status, body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b"<center>No required SSL certificate was sent</center>",
            "TLS: the server requires a client certificate: set tls.cert_file and tls.key_file",
        ),
        (b"<center>The SSL certificate error</center>", "TLS: the server refused the client certificate"),
    ],
)
def test_a_server_that_refuses_the_client_certificate_with_an_error_of_http(body: bytes, words: str) -> None:
    failure = https_expected(400, b"<html>\r\n" + body)
    assert failure is not None
    assert (failure.reason, failure.status, failure.detail) == (Reason.TLS, 400, f"HTTP 400, {words}")
    assert https_expected(403, body) is None
