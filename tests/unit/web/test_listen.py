from __future__ import annotations

from pathlib import Path

import pytest

from exporter.web.listen import ListenAddress, ListenError, open_listeners, parse_address
from exporter.web.unix_sockets import UnixAddress


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


def test_unix_sockets_are_addresses_too() -> None:
    assert parse_address("unix:/run/x.sock") == UnixAddress(Path("/run/x.sock"))
    assert parse_address(":80") == ListenAddress("", 80)


def test_all_addresses_are_checked_before_any_is_opened() -> None:
    with pytest.raises(ValueError, match="is not a valid listen address"):
        open_listeners(["127.0.0.1:0", "x"], {}, explicit=True)


def test_sockets_from_systemd_may_be_required() -> None:
    with pytest.raises(ListenError, match="systemd has passed on no sockets; start the socket unit"):
        open_listeners([":0"], {"LISTEN_PID": "0", "LISTEN_FDS": "1"}, explicit=False, systemd=True)
