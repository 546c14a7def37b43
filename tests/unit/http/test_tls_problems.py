from __future__ import annotations

import ssl

import pytest
import requests

from exporter.http.tls_problems import Advice, tls_problem


def tls_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words of OpenSSL")
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "the server requires a client certificate: set tls.cert_file and tls.key_file",
        ),
        ("TLSV1_ALERT_UNKNOWN_CA", "the server refused the client certificate (unknown ca)"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the server refused the client certificate (certificate expired)"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "the server refused the client certificate (bad certificate)"),
        ("TLSV1_ALERT_ACCESS_DENIED", "the server refused the client certificate (access denied)"),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "the server refused the handshake (handshake failure); "
            "it may require a client certificate or another version",
        ),
        (
            "TLSV1_UNRECOGNIZED_NAME",
            "the server has no certificate for this host name (SNI): check the URL, or set tls.server_name",
        ),
        ("UNSUPPORTED_PROTOCOL", "handshake failed"),
        (None, "handshake failed"),
    ],
)
def test_what_an_alert_of_the_server_means(reason: str | None, words: str) -> None:
    assert tls_problem([requests.exceptions.SSLError("url"), tls_error(reason)]) == words


def test_a_command_names_its_own_flags() -> None:
    advice = Advice("set --cert", "use another URL")
    for reason, words in (
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "set --cert"),
        ("TLSV1_UNRECOGNIZED_NAME", "use another URL"),
    ):
        assert tls_problem([tls_error(reason)], advice) == words


def test_a_certificate_of_the_server_that_is_not_trusted_is_named() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] x")
    error.verify_message = "self-signed certificate"
    assert tls_problem([error]) == "self-signed certificate"


def test_other_errors_are_no_problem_of_tls() -> None:
    assert tls_problem([requests.ConnectionError("x"), OSError()]) is None
    assert tls_problem([requests.exceptions.SSLError("x")]) == "handshake failed"
