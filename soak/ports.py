"""Ports for servers that are stopped and restarted."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 12_000, 32_000
"""Below Linux's ephemeral ports, so that no outgoing connection takes the port meanwhile."""


def free_port() -> int:
    """An unused port of loopback."""
    chance = random.SystemRandom()
    while True:
        port = chance.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
