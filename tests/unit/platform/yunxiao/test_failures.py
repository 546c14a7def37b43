from __future__ import annotations

import http.client
import ssl

import pytest
import requests
import urllib3

from exporter.model.state import Reason
from exporter.platform.yunxiao.failures import broken


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (requests.ReadTimeout("x"), Reason.TIMEOUT, "no complete answer within 5 s"),
        (TimeoutError(), Reason.TIMEOUT, "no complete answer within 5 s"),
        (requests.exceptions.SSLError(ssl.SSLError("x")), Reason.TLS, "TLS: handshake failed"),
        (requests.exceptions.ContentDecodingError(), Reason.INVALID_RESPONSE, "the answer cannot be decompressed"),
        (
            requests.exceptions.ProxyError("http://user:pass@proxy"),
            Reason.CONNECTION,
            "the proxy cannot be reached or refused the connection",
        ),
        (
            urllib3.exceptions.IncompleteRead(1, 2),
            Reason.CONNECTION,
            "the connection was lost in the middle of the answer",
        ),
        (
            requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
            Reason.CONNECTION,
            "the scheme of the address or of the proxy is not supported, such as socks5",
        ),
        (http.client.HTTPException("pt-x_secret"), Reason.CONNECTION, "connection failed: HTTPException"),
        (OSError(111, "Connection refused"), Reason.CONNECTION, "connection failed: Connection refused"),
        (requests.RequestException("secret"), Reason.CONNECTION, "connection failed: RequestException"),
    ],
)
def test_each_exception_has_a_reason_and_shows_no_text_of_its_own(
    error: Exception, reason: Reason, detail: str
) -> None:
    failure = broken(error, 5.0, over=False)
    assert (failure.reason, failure.detail) == (reason, detail)


def test_after_the_deadline_every_exception_is_a_timeout() -> None:
    assert broken(OSError(104, "Connection reset by peer"), 0.5, over=True).detail == "no complete answer within 0.5 s"


def test_the_cause_counts_too() -> None:
    error = requests.ConnectionError()
    error.__cause__ = OSError(113, "No route to host")
    assert broken(error, 5.0, over=False).detail == "connection failed: No route to host"


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        (http.client.HTTPException("got more than 100 headers"), "the answer has more than 100 headers"),
        (http.client.LineTooLong("header line"), "the answer has a header line of more than 65536 bytes"),
    ],
)
def test_a_limit_for_headers_is_named_and_not_taken_for_a_lost_connection(cause: Exception, detail: str) -> None:
    error = requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))
    failure = broken(error, 5.0, over=False)
    assert (failure.reason, failure.detail, failure.retryable) == (Reason.INVALID_RESPONSE, detail, False)
