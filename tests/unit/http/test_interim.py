from __future__ import annotations

import io
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.http.interim import FinalResponse

if TYPE_CHECKING:
    import socket


class Socket:
    """Answers with fixed bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self.data)


def answer(data: bytes) -> FinalResponse:
    response = FinalResponse(cast("socket.socket", Socket(data)), method="GET")
    response.begin()
    return response


FINAL = b"HTTP/1.1 200 OK\r\nX-Final: yes\r\nContent-Length: 2\r\n\r\n[]"


@pytest.mark.parametrize(
    "interim",
    [
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 x\r\nA: b\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
    ],
)
def test_the_final_answer_counts(interim: bytes) -> None:
    response = answer(interim + FINAL)
    assert (response.status, response.headers["X-Final"], response.read()) == (200, "yes", b"[]")


def test_switching_protocols_is_final() -> None:
    assert answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + FINAL).status == 101


def test_the_limit_for_headers_holds_for_interim_answers_too() -> None:
    with pytest.raises(HTTPException, match="got more than 100 headers"):
        answer(b"HTTP/1.1 103 Early Hints\r\n" + b"Link: x\r\n" * 101 + b"\r\n" + FINAL)
