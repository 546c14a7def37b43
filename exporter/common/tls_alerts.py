"""Finds out why a server closed a TLS connection that has just been opened."""

from __future__ import annotations

import ssl
from typing import Protocol


class Readable(Protocol):
    """A socket."""

    def recv(self, size: int, /) -> bytes:
        """Receive bytes."""
        ...


def alert_in(connected: Readable) -> ssl.SSLError | None:
    """The alert that a server has sent before it closed the connection; None if there is none.

    With TLS 1.3 the client has finished the handshake before the server has seen the client certificate. So the first
    request fails because the connection is closed, and the alert that says why is still to be read.
    """
    try:
        connected.recv(1)
    except ssl.SSLError as error:
        return error if "_ALERT_" in (error.reason or "") else None
    except OSError:
        return None
    return None
