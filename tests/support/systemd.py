"""systemd as a process that it has started sees it."""

from __future__ import annotations

import re
import socket
from typing import Self


class Systemd:
    """The socket on which systemd reads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.messages: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address}

    def received(self, pattern: str) -> list[str]:
        """The messages until now that match."""
        while True:
            try:
                self.messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return [one for one in self.messages if re.search(pattern, one)]

    def at_least(self, number: int, pattern: str) -> bool:
        return len(self.received(pattern)) >= number

    def order(self, *patterns: str) -> list[int]:
        """The places of the first message of each kind."""
        self.received("")
        return [
            next(number for number, one in enumerate(self.messages) if re.search(pattern, one)) for pattern in patterns
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
