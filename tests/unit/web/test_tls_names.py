from __future__ import annotations

import ssl

import pytest

from exporter.web.tls_names import CIPHERS_12, CIPHERS_13, CLIENT_AUTH, CURVES, REQUIRED_BY_HTTP2, ClientAuth


@pytest.mark.parametrize(("go", "openssl"), CIPHERS_12.items())
def test_openssl_knows_each_cipher_and_uses_the_algorithms_in_go_s_name(go: str, openssl: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(openssl)
    (cipher,) = [one for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"]
    exchange, _, rest = go.removeprefix("TLS_").partition("_WITH_")
    assert cipher["name"] == openssl
    assert exchange.replace("_", "-") in openssl
    # AES_128_GCM_SHA256 is AES128-GCM-SHA256 there, and CBC has no word.
    words = rest.replace("AES_", "AES").replace("CBC_", "").replace("POLY1305_SHA256", "POLY1305").split("_")
    assert openssl.removeprefix(exchange.replace("_", "-") + "-").split("-") == words


def test_openssl_always_offers_the_ciphers_of_tls_1_3() -> None:
    names = {one["name"] for one in ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).get_ciphers()}
    assert names >= CIPHERS_13


@pytest.mark.parametrize("openssl", CURVES.values())
def test_openssl_knows_each_curve(openssl: str) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(openssl)


def test_ciphers_that_http2_requires_are_known() -> None:
    assert {*REQUIRED_BY_HTTP2} <= CIPHERS_12.keys()


@pytest.mark.parametrize(
    ("name", "requires", "verifies"),
    [
        ("", False, False),
        ("NoClientCert", False, False),
        ("RequestClientCert", False, False),
        ("RequireAnyClientCert", True, False),
        ("RequireClientCert", True, False),
        ("VerifyClientCertIfGiven", False, True),
        ("RequireAndVerifyClientCert", True, True),
    ],
)
def test_client_authentication_is_that_of_go(name: str, requires: bool, verifies: bool) -> None:  # noqa: FBT001
    kind = CLIENT_AUTH[name]
    assert (kind.requires, kind.verifies) == (requires, verifies)


def test_no_type_is_missing() -> None:
    assert {*CLIENT_AUTH.values()} == {*ClientAuth}
