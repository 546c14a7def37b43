"""One request per connection."""

from __future__ import annotations

import gzip
import http.client
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decompressed body; `retry_after` is the value of that header."""

    status: int
    body: bytes
    retry_after: str | None


def ask(port: int, path: str, *, timeout: float, method: str = "GET") -> Answer:
    """Send a request to a server on loopback.

    Raises:
        OSError: no answer.
        http.client.HTTPException: an invalid answer.
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
