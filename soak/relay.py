"""A TCP relay on loopback whose target can be changed: existing connections keep the old target, as in a failover."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Listens on a free port until it is closed."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def switch(self, target: int) -> None:
        """Relay new connections to another port on loopback."""
        self._target = target

    def close(self) -> None:
        """Accept no more connections; open ones end when an endpoint closes them."""
        with contextlib.suppress(OSError):
            # Nothing else wakes the thread that is blocked in accept.
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 2)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, sink), name="relay-pump", daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()
