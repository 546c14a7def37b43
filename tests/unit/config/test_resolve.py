from __future__ import annotations

import pytest
from support.configuration import ENVIRON, faults, settled, with_organization


def test_a_proxy_comes_from_the_environment_unless_no_proxy_matches() -> None:
    environ = ENVIRON | {"HTTPS_PROXY": "http://proxy:3128", "HTTP_PROXY": "http://other:3128"}
    assert settled(with_organization(""), environ).organizations[0].proxies["https"] == "http://proxy:3128"
    environ |= {"NO_PROXY": "example.com"}
    assert settled(with_organization(""), environ).organizations[0].proxies == {}


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"ALL_PROXY": "socks5://me:hunter2@proxy:1080"},
            "ALL_PROXY is a SOCKS proxy, which is not supported; set",
        ),
        ({"HTTPS_PROXY": "http://me:hunter2@"}, "HTTPS_PROXY is not a valid URL of an HTTP proxy; write http://"),
        (
            {"HTTPS_PROXY": "http://me:hunter2@proxy", "NO_PROXY": "a.example,10.*"},
            "entry 2 of NO_PROXY (10.*) is not understood; write hosts, domains, IP addresses or networks",
        ),
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_fault_of_the_endpoint(variables: dict[str, str], fault: str) -> None:
    (found,) = faults(with_organization(""), ENVIRON | variables)
    assert f"organizations[0].endpoint: {fault}" in found
    assert "hunter2" not in found
    with_proxy = with_organization("proxy_url: http://me:hunter2@proxy:3128")
    assert settled(with_proxy, ENVIRON | variables).organizations[0].proxies["https"].endswith("@proxy:3128")


@pytest.mark.parametrize("key", ["token_file", "token_env"])
def test_a_token_in_the_wrong_place_does_not_appear_in_the_error(key: str) -> None:
    text = with_organization("").replace("token_env: TOKEN", f"{key}: pt-0123_abcdef")
    (found,) = faults(text)
    assert "contains what looks like a token" in found
    assert "abcdef" not in found
