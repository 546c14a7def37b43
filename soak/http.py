"""One request at a time on a connection of its own."""

from __future__ import annotations

import gzip
import http.client
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and unpacked body; `retry_after` is the header of that name."""

    status: int
    body: bytes
    retry_after: str | None


def ask(port: int, path: str, *, timeout: float, method: str = "GET") -> Answer:
    """Ask a server on loopback.

    Raises:
        OSError: no answer.
        http.client.HTTPException: no good one.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers={"Accept-Encoding": "gzip", "Connection": "close"})
        response = connection.getresponse()
        body = response.read()
        if response.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(response.status, body, response.getheader("Retry-After"))
    finally:
        connection.close()
