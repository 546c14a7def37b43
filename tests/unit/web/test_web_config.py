"""The schema of the web configuration."""

from __future__ import annotations

import contextlib
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.web.web_config import TlsServer, WebConfig, parse_interval

HASH = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode().replace("$04$", "$18$")


def refusal(**content: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        WebConfig.model_validate(content)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("7ns", 7e-9),
        ("0", 0),
        ("0s", 0),
        (0, 0),
        (None, 0),
    ],
)
def test_intervals_are_durations_of_go(text: Any, seconds: float) -> None:
    assert parse_interval(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "1", 5, 1.5, True, False, "-1s", "1d", "1 s", "s", "1s ", [], {}, "1e3s"])
def test_other_intervals_are_refused_with_an_example(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a duration with its unit, such as 1s"):
        parse_interval(value)


@given(st.text(max_size=20))
def test_any_text_is_an_interval_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_interval(text) >= 0


def test_empty_sections_and_values_count_as_not_set() -> None:
    config = WebConfig.model_validate(
        {"tls_server_config": None, "http_server_config": None, "rate_limit": None, "basic_auth_users": None}
    )
    assert config == WebConfig()
    assert config.http_server_config.http2
    server = TlsServer.model_validate(
        {"cert": "", "key": "", "cert_file": "", "client_auth_type": "", "cipher_suites": None}
    )
    assert (server.cert, server.key, server.cert_file, server.cipher_suites) == (None, None, None, ())
    assert server.client_auth_type == "NoClientCert"


def test_the_old_name_of_require_any_is_accepted() -> None:
    assert TlsServer.model_validate({"client_auth_type": "RequireClientCert"}).client_auth_type == (
        "RequireAnyClientCert"
    )


def test_numbers_are_header_values() -> None:
    headers = {"X-XSS-Protection": 1, "Content-Security-Policy": None, "X-Frame-Options": "sameorigin"}
    config = WebConfig.model_validate({"http_server_config": {"headers": headers}})
    assert config.http_server_config.headers == {
        "X-XSS-Protection": "1",
        "Content-Security-Policy": "",
        "X-Frame-Options": "sameorigin",
    }


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "x"}, "the header Content-Type cannot be set; remove it, or set one of"),
        ({"x-frame-options": "deny"}, "the header x-frame-options cannot be set"),
        ({"X-Frame-Options": "DENY"}, "the value of X-Frame-Options is not valid; set it to deny or sameorigin"),
        ({"X-Content-Type-Options": "sniff"}, "the value of X-Content-Type-Options is not valid; set it to nosniff"),
        ({"X-XSS-Protection": "1\r\nSet-Cookie: a=b"}, "contains a character that is not allowed in a header"),
        ({"X-XSS-Protection": "é"}, "contains a character that is not allowed in a header"),
    ],
)
def test_other_headers_and_values_are_refused(headers: dict[str, str], words: str) -> None:
    text = refusal(http_server_config={"headers": headers})
    assert text.startswith("http_server_config.headers: ")
    assert words in text


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"client_auth_type": "x"}, "client_auth_type: Value error, is not a valid type; set it to one of NoClient"),
        ({"min_version": "TLS111"}, "min_version: Value error, is not a known TLS version; set it to TLS12 or TLS13"),
        ({"curve_preferences": ("CurveP257",)}, "is not a known curve; set it to one of CurveP256"),
        ({"client_allowed_sans": ()}, "is an empty list, which would refuse all clients; add a name"),
        ({"key": 5}, "key: Value error, must be text in PEM format"),
        ({"cert_filse": "x"}, "cert_filse: Extra inputs are not permitted"),
    ],
)
def test_values_of_the_tls_section_are_checked(section: dict[str, Any], words: str) -> None:
    assert words in refusal(tls_server_config=section)


def test_hashes_up_to_the_highest_cost_are_accepted_and_never_shown() -> None:
    config = WebConfig.model_validate({"basic_auth_users": {"bob": HASH}})
    assert config.basic_auth_users == {"bob": HASH}
    assert HASH not in repr(config)
    assert "is a bcrypt hash of cost 19, outside 4 to 18" in refusal(
        basic_auth_users={"bob": HASH.replace("$18$", "$19$")}
    )


def test_inline_keys_are_never_shown() -> None:
    assert "5ecre7" not in repr(TlsServer.model_validate({"key": "5ecre7", "cert": "x"}))


def test_a_negative_burst_is_refused() -> None:
    assert "rate_limit.burst" in refusal(rate_limit={"interval": "1s", "burst": -1})
