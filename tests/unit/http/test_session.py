from __future__ import annotations

import pytest
import requests
from support.builders import ManualClock

from exporter.common.live_tls import LiveTls
from exporter.http.connections import _HEADER_LINES, Context, GuardedConnection
from exporter.http.session import GuardedAdapter


def an_adapter() -> GuardedAdapter:
    return GuardedAdapter(Context(ManualClock(), LiveTls()), 1, None)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("http://acme.example.com", "/"),
        ("https://acme.example.com:8443/oapi/v1/x?userId=%2Fa%3F&b=//c", "/oapi/v1/x?userId=%2Fa%3F&b=//c"),
        ("http://[::1]:80/a/b", "/a/b"),
        ("http://acme.example.com/a?b#c", "/a?b"),
        ("http://acme.example.com?a=b", "/?a=b"),
    ],
)
def test_the_part_of_an_address_that_is_sent_is_as_in_requests(address: str, sent: str) -> None:
    request = requests.Request("GET", address).prepare()
    assert request.path_url == sent
    assert an_adapter().request_url(request, {}) == sent
    proxied = sent if address.startswith("https:") else str(request.url).partition("#")[0]
    assert an_adapter().request_url(request, {"http": "http://proxy:3128", "https": "http://proxy:3128"}) == proxied


class Sent(GuardedConnection):
    """A connection that shows what it would send."""

    def __init__(self, context: Context) -> None:
        super().__init__("acme.example.com")
        self.context = context
        self.sent = b""

    def send(self, data: bytes) -> None:  # type: ignore[override]
        self.sent += data

    def head(self, **headers: str) -> list[bytes]:
        self.sent = b""
        self.putrequest("GET", "/", skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()
        self._HTTPConnection__state = "Idle"
        return self.sent.split(b"\r\n")


def test_headers_are_sent_again_as_they_were_and_a_changed_one_as_it_is() -> None:
    context = Context(ManualClock(), LiveTls())
    first, second = Sent(context), Sent(context)
    expected = [b"GET / HTTP/1.1", b"Host: acme.example.com", b"A: 1", b"B: 2", b"", b""]
    assert first.head(A="1", B="2") == expected
    assert first.head(A="1", B="2") == second.head(A="1", B="2") == expected
    assert second.head(A="1", B="3")[3] == b"B: 3"


def test_an_invalid_header_is_refused_each_time() -> None:
    connection = Sent(Context(ManualClock(), LiveTls()))
    for _ in range(2):
        with pytest.raises(ValueError, match="Invalid header value"):
            connection.head(A="1\r\nB: 2")
        connection = Sent(connection.context)


def test_the_lines_that_are_kept_are_bounded() -> None:
    connection = Sent(Context(ManualClock(), LiveTls()))
    for number in range(3 * _HEADER_LINES):
        assert connection.head(A=str(number))[2] == f"A: {number}".encode()
    assert len(connection.context.header_lines) <= _HEADER_LINES
