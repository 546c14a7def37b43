"""Debian's Redis on a free port, which may be killed and brought back."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import redis

from support.running import Running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class RedisServer(Running):
    """Keeps everything in memory: whoever kills it loses all of it."""

    def __init__(self, executable: str, folder: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        super().__init__(
            [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options],
        )

    def ready(self) -> Self:
        wait_until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    def do(self, *command: str) -> Any:
        """The answer to a command."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Listener:
    """Hands each connection that arrives on a port of its own to a function, in a thread; stops at the end."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._open.append(client)
                threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            self._serve(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Relay(Listener):
    """A name that leads to the master: new connections go to the new one, old ones stay where they are."""

    def __init__(self, target: int) -> None:
        self.target = target
        super().__init__(self._relay)

    def _relay(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()
            _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
