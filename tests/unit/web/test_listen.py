from __future__ import annotations

import pytest

from exporter.web.listen import ListenAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10097", "", 10097),
        ("127.0.0.1:10097", "127.0.0.1", 10097),
        ("[::1]:80", "::1", 80),
        ("[::]:0", "::", 0),
        ("localhost:1", "localhost", 1),
    ],
)
def test_addresses_in_the_format_of_prometheus(text: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == ListenAddress(host, port)


@pytest.mark.parametrize("text", ["", "10097", "::1:80", "host", "host:", "host:x", ":65536", "[::1]", "a:b:80"])
def test_other_addresses_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"use :10097"):
        ListenAddress.parse(text)
