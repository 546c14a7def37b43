from __future__ import annotations

from pathlib import Path

import bcrypt
import pytest

from exporter.web.security import WebSecurity
from exporter.web.start_line import UNPROTECTED, address_text, exposed, start_line
from exporter.web.web_config import WebConfig

USERS = WebConfig.model_validate({"basic_auth_users": {"a": bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()}})
CLIENTS = WebConfig.model_validate(
    {"tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert", "client_ca": "x"}}
)
ANY_CLIENTS = WebConfig.model_validate({"tls_server_config": {"client_auth_type": "RequireAnyClientCert"}})


def test_the_line_says_where_it_listens_and_what_it_has_read() -> None:
    security = WebSecurity(USERS, file=Path("/etc/web.yml"))
    assert start_line([("::", 10097), ("127.0.0.1", 80), "/run/x.sock"], security) == {
        "addresses": "http://[::]:10097 http://127.0.0.1:80 unix:/run/x.sock",
        "web_config": "/etc/web.yml",
        "authentication": "basic auth",
        "warning": None,
    }


def test_without_a_file_it_says_so() -> None:
    line = start_line([("127.0.0.1", 80)], WebSecurity.none())
    assert (line["web_config"], line["authentication"], line["warning"]) == ("none", "none", None)


@pytest.mark.parametrize("host", ["::", "0.0.0.0"])
def test_all_interfaces_without_authentication_are_a_warning(host: str) -> None:
    assert start_line([("127.0.0.1", 80), (host, 10097)], WebSecurity.none())["warning"] == UNPROTECTED
    # Anyone can make such a certificate.
    assert start_line([(host, 10097)], WebSecurity(ANY_CLIENTS))["warning"] == UNPROTECTED
    for config in (USERS, CLIENTS):
        assert start_line([(host, 10097)], WebSecurity(config))["warning"] is None


def test_what_anyone_may_read_needs_no_warning() -> None:
    assert start_line([("::", 10097)], WebSecurity(public=True))["warning"] is None


def test_all_interfaces_are_noticed() -> None:
    assert exposed([("127.0.0.1", 80), ("::", 80)])
    assert exposed([("0.0.0.0", 80)])
    assert not exposed([("127.0.0.1", 80), ("::1", 80), ("192.0.2.1", 80), "/run/x.sock"])


def test_both_ways_of_authentication() -> None:
    both = WebConfig(tls_server_config=CLIENTS.tls_server_config, basic_auth_users=USERS.basic_auth_users)
    assert start_line([], WebSecurity(both))["authentication"] == "basic auth, client certificates"


def test_addresses_are_urls() -> None:
    assert address_text(("::1", 1), "https") == "https://[::1]:1"
    assert address_text(("192.0.2.1", 1), "http") == "http://192.0.2.1:1"
    assert address_text("/run/x", "https") == "unix:/run/x"
