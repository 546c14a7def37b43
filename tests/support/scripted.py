"""A server on loopback that answers each request as a test's script says, down to the bytes and the silence."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from exporter.common.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader


class ShiftedClock(SystemClock):
    """The machine's clocks, plus what a test adds."""

    shift = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.shift


def answer(body: bytes = b"[]", status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer that leaves the connection open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Request:
    """A request that came in.

    Attributes:
        connection: number of its connection, from 1.
        number: its number on that connection, from 1.
        head: the request line and the headers.
    """

    connection: int
    number: int
    head: str
    peer: socket.socket = field(repr=False)
    ended: threading.Event = field(repr=False)

    def header(self, name: str) -> str:
        """A header's value; "" where there is none."""
        for line in self.head.splitlines():
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


class ScriptedServer:
    """Answers by a function of the request; one that gives None closes the connection without an answer.

    Args:
        script: the answer to a request.
    """

    def __init__(self, script: Callable[[Request], bytes | None]) -> None:
        self.script = script
        self.seen: list[tuple[int, int]] = []
        """Each request as the number of its connection and its number on it."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._ended = threading.Event()
        self._peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer, len(self._peers)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket, connection: int) -> None:
        number = 0
        with peer, peer.makefile("rb") as stream, contextlib.suppress(OSError):
            while (head := _head(stream)) and not self._ended.is_set():
                number += 1
                self.seen.append((connection, number))
                given = self.script(Request(connection, number, head.decode("latin-1"), peer, self._ended))
                if given is None:
                    return
                peer.sendall(given)


def _head(stream: BufferedReader) -> bytes:
    """A request's line and headers; nothing at the end of the connection."""
    lines: list[bytes] = []
    while (line := stream.readline()) not in {b"\r\n", b""}:
        lines.append(line)
    return b"".join(lines)
