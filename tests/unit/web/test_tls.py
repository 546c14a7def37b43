"""What can be checked of the TLS section without certificates."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.common.certificates import TlsError
from exporter.web.tls import check_http2_ciphers, check_keys, openssl_ciphers
from exporter.web.web_config import TlsServer

PAIR = {"cert_file": "c", "key_file": "k"}


def test_names_of_go_and_of_openssl_are_converted_and_those_of_tls_1_3_left_out() -> None:
    names = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
    assert openssl_ciphers(names) == ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_X", "", "a\0b", "é"])
def test_unknown_ciphers_are_named(name: str) -> None:
    with pytest.raises(TlsError) as caught:
        openssl_ciphers(["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", name])
    assert caught.value.key == ("cipher_suites", 1)
    assert caught.value.problem == f"the cipher {name} is not known"


@pytest.mark.parametrize(
    "names",
    [
        ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
        ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        # Exporters in Go cannot use this file anyway.
        ["ECDHE-RSA-AES256-GCM-SHA384"],
    ],
)
def test_ciphers_that_go_accepts_with_http2(names: list[str]) -> None:
    check_http2_ciphers(names)


@pytest.mark.parametrize("names", [["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"], ["TLS_AES_128_GCM_SHA256"]])
def test_ciphers_that_go_refuses_with_http2(names: list[str]) -> None:
    with pytest.raises(TlsError, match="has no cipher that HTTP/2 requires") as caught:
        check_http2_ciphers(names)
    assert "http_server_config.http2: false" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"key_file": "k"}, "cert_file"),
        ({"cert_file": "c"}, "key_file"),
        ({"cert": "c"}, "key_file"),
        (PAIR | {"client_ca_file": "ca"}, "client_ca_file"),
        (PAIR | {"client_ca": "ca"}, "client_ca"),
        (PAIR | {"client_allowed_sans": ("a",)}, "client_allowed_sans"),
        (PAIR | {"client_auth_type": "RequireAndVerifyClientCert"}, "client_auth_type"),
    ],
)
def test_keys_that_are_missing_or_have_no_effect_are_named(section: dict[str, Any], key: str) -> None:
    with pytest.raises(TlsError) as caught:
        check_keys(TlsServer.model_validate(section))
    assert caught.value.key == (key,)
    assert caught.value.hint.startswith("set ")


@pytest.mark.parametrize(
    "section",
    [
        PAIR,
        {"cert": "c", "key": "k"},
        {"cert_file": "c", "key": "k"},
        PAIR | {"client_auth_type": "VerifyClientCertIfGiven"},
        PAIR | {"client_auth_type": "RequireAnyClientCert", "client_ca": "ca"},
        PAIR | {"client_auth_type": "RequireAndVerifyClientCert", "client_ca": "ca", "client_allowed_sans": ("a",)},
    ],
)
def test_complete_sections_pass(section: dict[str, Any]) -> None:
    check_keys(TlsServer.model_validate(section))
