"""Debian's Redis on a free port, which may be killed and brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import redis

from support.running import Running, wait_until

if TYPE_CHECKING:
    from pathlib import Path


class RedisServer(Running):
    """Keeps everything in memory: whoever kills it loses all of it."""

    def __init__(self, executable: str, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        super().__init__(
            [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        )

    def ready(self) -> Self:
        wait_until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
