"""Misbehaving clients, limited in number and time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

SLOW = 12
IDLE = 40
HALF = 25
BAD_PER_SECOND = 150
MOST = IDLE
"""The highest number of connections that any of them holds open."""
_BAD = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03nonsense\r\n\r\n",
    b"GET /\x00 HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: x\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)
_PATHS = ("/nope", "/metrics/", "/api/v1/events?limit=%00", "/-/reload", "/..%2f..%2fetc/passwd", "//x")


def misbehave(what: str, port: int, seconds: float, holds: Callable[[int], None], stop: threading.Event) -> None:
    """Misbehave in one of the ways of the schedule.

    Args:
        what: one of `soak.schedule.CLIENTS`.
        port: port of the daemon.
        seconds: duration.
        holds: called with the number of connections that are open from now on.
        stop: ends it early when set.
    """
    end = time.monotonic() + seconds
    match what:
        case "slow readers":
            _hold(SLOW, port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", end, holds, stop)
        case "idle":
            _hold(IDLE, port, b"", end, holds, stop)
        case "half a header":
            _hold(HALF, port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Half: ", end, holds, stop)
        case "bad requests":
            for number in _ticks(end, stop):
                _send(port, _BAD[number % len(_BAD)])
        case _:
            for number in _ticks(end, stop):
                _request(port, "GET" if number % 3 else "DELETE", _PATHS[number % len(_PATHS)])


def _hold(
    count: int, port: int, beginning: bytes, end: float, holds: Callable[[int], None], stop: threading.Event
) -> None:
    """Open connections, send the beginning of a request, and read very slowly."""
    with contextlib.ExitStack() as stack:
        opened = []
        holds(count)
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(1)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", port))
                client.sendall(beginning)
                client.setblocking(False)
                opened.append(client)
        while time.monotonic() < end and not stop.wait(0.5):
            for client in opened:
                with contextlib.suppress(OSError):
                    client.recv(64)
    holds(0)


def _ticks(end: float, stop: threading.Event) -> Iterator[int]:
    """Yield numbers at `BAD_PER_SECOND` until the end."""
    started = time.monotonic()
    number = 0
    while (now := time.monotonic()) < end and not stop.is_set():
        if number <= (now - started) * BAD_PER_SECOND:
            yield number
            number += 1
        else:
            time.sleep(0.005)


def _send(port: int, what: bytes) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
        client.sendall(what)
        client.recv(200)


def _request(port: int, method: str, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request(method, path)
        connection.getresponse().read()
    connection.close()
