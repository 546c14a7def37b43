from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.proxies import proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("variables", "endpoint", "proxy"),
    [
        ({}, "https://h.example", None),
        ({"HTTPS_PROXY": PROXY}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://h.example", None),
        ({"HTTP_PROXY": PROXY}, "http://h.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://h.example", None),
        ({"ALL_PROXY": PROXY}, "https://h.example", PROXY),
        ({"ALL_PROXY": PROXY}, "http://h.example", PROXY),
        ({"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, "https://h.example", PROXY),
        ({"ALL_PROXY": "socks5://other:1", "HTTPS_PROXY": PROXY}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": "http://other:1", "https_proxy": PROXY}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": "http://other:1", "https_proxy": ""}, "https://h.example", None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": PROXY}, "https://h.example", PROXY),
        ({"Https_Proxy": PROXY}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": f" {PROXY}\n"}, "https://h.example", PROXY),
        ({"HTTPS_PROXY": "https://me:pass@proxy"}, "https://h.example", "https://me:pass@proxy"),
        ({"HTTPS_PROXY": "HTTP://[::1]:3128"}, "https://h.example", "HTTP://[::1]:3128"),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://h.example", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http://h.example", PROXY),
        ({"SOCKS_PROXY": "socks5://h:1", "FTP_PROXY": "ftp://h:1"}, "https://h.example", None),
    ],
)
def test_the_proxy_is_that_of_the_scheme_or_that_of_all(
    variables: dict[str, str], endpoint: str, proxy: str | None
) -> None:
    assert proxy_for(endpoint, variables) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "endpoint", "direct"),
    [
        ("", "https://h.example", False),
        (" , ,", "https://h.example", False),
        ("*", "https://h.example", True),
        ("*", "https://10.0.0.1", True),
        ("a.example, *", "https://h.example", True),
        # Hosts and domains.
        ("h.example", "https://h.example", True),
        ("H.Example", "https://h.EXAMPLE", True),
        ("h.example.", "https://h.example", True),
        ("h.example", "https://h.example.", True),
        ("example", "https://h.example", True),
        (".example", "https://h.example", True),
        ("*.example", "https://h.example", True),
        (".h.example", "https://h.example", True),
        ("ample", "https://h.example", False),
        ("h.example.org", "https://h.example", False),
        ("a.example,h.example", "https://h.example", True),
        ("a.example h.example", "https://h.example", True),
        ("localhost", "http://localhost:8080", True),
        ("my_host", "http://my_host", True),
        ("平台.example", "https://平台.example", True),
        # Ports.
        ("h.example:443", "https://h.example", True),
        ("h.example:80", "http://h.example", True),
        ("h.example:80", "https://h.example", False),
        ("h.example:8443", "https://h.example:8443", True),
        ("h.example:8443", "https://h.example:8444", False),
        ("example:8443", "https://h.example:8443", True),
        ("10.0.0.1:8080", "http://10.0.0.1:8080", True),
        ("10.0.0.1:8080", "http://10.0.0.1", False),
        # IPv4 addresses and networks.
        ("10.0.0.1", "http://10.0.0.1:8080", True),
        ("10.0.0.0/8", "http://10.9.8.7", True),
        ("10.1.2.3/8", "http://10.9.8.7", True),
        ("10.0.0.0/255.0.0.0", "http://10.9.8.7", True),
        ("10.0.0.1/32", "http://10.0.0.1", True),
        ("0.0.0.0/0", "http://10.0.0.1", True),
        ("10.0.0.0/8", "http://11.0.0.1", False),
        ("10.0.0.0/8", "http://h.example", False),
        # IPv6 addresses and networks.
        ("::1", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]:8080", "http://[::1]", False),
        ("0:0:0:0:0:0:0:1", "http://[::1]", True),
        ("::/64", "http://[::1]", True),
        ("[::]/64", "http://[::1]", True),
        ("fd00::/8", "http://[fd12:3456::1]", True),
        ("fd00::/8", "http://[fe80::1]", False),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]", True),
        ("::/0", "http://10.0.0.1", False),
        # One that matches is enough, whatever else there is.
        ("10.*, h.example", "https://h.example", True),
    ],
)
def test_each_form_of_no_proxy_is_honoured(no_proxy: str, endpoint: str, direct: bool) -> None:  # noqa: FBT001
    expected = None if direct else PROXY
    assert proxy_for(endpoint, {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}) == expected
    assert proxy_for(endpoint, {"ALL_PROXY": PROXY, "no_proxy": no_proxy}) == expected


@pytest.mark.parametrize(
    ("no_proxy", "words"),
    [
        ("10.*", r"entry 1 of NO_PROXY \(10.\*\) is not understood; write hosts, domains"),
        ("a.example,*example", r"entry 2 of NO_PROXY \(\*example\)"),
        ("a.example;b.example", r"entry 1 of NO_PROXY \(a.example;b.example\)"),
        ("10.0.0", r"entry 1 of NO_PROXY \(10.0.0\)"),
        ("192.168.", r"entry 1 of NO_PROXY \(192.168.\)"),
        ("http://a.example", r"entry 1 of NO_PROXY \(http://a.example\)"),
        ("http://me:hunter2@a.example", "entry 1 of NO_PROXY is not understood"),
        ("10.0.0.0/33", r"entry 1 of NO_PROXY \(10.0.0.0/33\)"),
        ("a.example/24", r"entry 1 of NO_PROXY \(a.example/24\)"),
        ("a.example:https", r"entry 1 of NO_PROXY \(a.example:https\)"),
        ("[::1", r"entry 1 of NO_PROXY \(\[::1\)"),
        ("<local>", r"entry 1 of NO_PROXY \(<local>\)"),
        ("x" * 100 + "!", rf"entry 1 of NO_PROXY \({'x' * 80}\)"),
    ],
)
def test_an_entry_that_is_not_understood_is_refused_in_words(no_proxy: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        proxy_for("https://h.example", {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert "hunter2" not in str(caught.value)
    # Without a proxy it does not matter.
    assert proxy_for("https://h.example", {"NO_PROXY": no_proxy}) is None


@pytest.mark.parametrize(
    ("variable", "url", "words"),
    [
        ("ALL_PROXY", "socks5://proxy:1080", "ALL_PROXY is a SOCKS proxy, which is not supported; set proxy_url"),
        ("all_proxy", "socks5h://me:hunter2@proxy", "all_proxy is a SOCKS proxy"),
        ("HTTPS_PROXY", "SOCKS4://proxy", "HTTPS_PROXY is a SOCKS proxy"),
        ("HTTPS_PROXY", "ftp://proxy", "HTTPS_PROXY is not a valid URL of an HTTP proxy; write http://"),
        ("HTTPS_PROXY", "http://me:hunter2@", "HTTPS_PROXY is not a valid URL"),
        ("HTTPS_PROXY", "http://proxy:hunter2", "HTTPS_PROXY is not a valid URL"),
        ("HTTPS_PROXY", "http://pro xy", "HTTPS_PROXY is not a valid URL"),
        ("HTTPS_PROXY", "http://[::1", "HTTPS_PROXY is not a valid URL"),
        ("HTTPS_PROXY", "://", "HTTPS_PROXY is not a valid URL"),
    ],
)
def test_a_proxy_that_is_not_supported_is_refused_in_words(variable: str, url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        proxy_for("https://h.example", {variable: url})
    assert "hunter2" not in str(caught.value)
    assert proxy_for("https://h.example", {variable: url, "NO_PROXY": "h.example"}) is None


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["https://h.example", "http://[::1]:8080"]))
def test_any_environment_gives_a_proxy_none_or_words(url: str, no_proxy: str, endpoint: str) -> None:
    found = None
    with contextlib.suppress(ValueError):
        found = proxy_for(endpoint, {"ALL_PROXY": url, "NO_PROXY": no_proxy})
    assert found is None or found.lower().startswith(("http://", "https://"))
