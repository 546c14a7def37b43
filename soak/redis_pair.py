"""Two Redis servers, one the replica of the other, behind a relay: they can be killed, switched and frozen."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from soak.ports import free_port
from soak.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 10.0


class RedisPair:
    """Started at once; `close` ends both. Nothing is kept on disk: who is killed has lost all.

    Args:
        folder: their working folder.
        password: what clients and replicas must know.
    """

    def __init__(self, folder: Path, password: str) -> None:
        executable = shutil.which("redis-server")
        if executable is None:
            raise FileNotFoundError("redis-server is missing; scripts/debian-packages.sh test installs it")
        self._executable = executable
        self._folder = folder
        self._password = password
        self._ports = [free_port(), free_port()]
        self._processes = [self._start(port) for port in self._ports]
        self._master = 0
        self._follow()
        self._relay = Relay(self._ports[0])
        self.port = self._relay.port

    def kill(self) -> None:
        """End the master without a word; connections are reset, new ones refused."""
        self._processes[self._master].kill()
        self._processes[self._master].wait()

    def revive(self) -> None:
        """Bring the master back, empty."""
        self._processes[self._master] = self._start(self._ports[self._master])

    def fail_over(self) -> None:
        """Make the replica the master and the master its replica. Old connections stay with the old one."""
        self._master = 1 - self._master
        self._follow()
        self._relay.switch(self._ports[self._master])

    def freeze(self) -> None:
        """Stop the master from running; connections stay open."""
        self._processes[self._master].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run again."""
        self._processes[self._master].send_signal(signal.SIGCONT)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Every key of the master with all that it holds, as bytes one after the other."""
        with contextlib.closing(self._client(self._ports[self._master])) as client:
            for key in list(client.scan_iter(count=500)):
                yield key.decode("utf-8", "replace"), _value(client, key)

    def close(self) -> None:
        """End all."""
        self._relay.close()
        for process in self._processes:
            process.kill()
            process.wait()

    def _follow(self) -> None:
        master, replica = self._ports[self._master], self._ports[1 - self._master]
        with contextlib.closing(self._client(master)) as client:
            client.replicaof("NO", "ONE")
        with contextlib.closing(self._client(replica)) as client:
            client.replicaof("127.0.0.1", str(master))

    def _client(self, port: int) -> Any:
        return redis.Redis(
            port=port,
            password=self._password,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        # The password goes through stdin: arguments can be read by every user of the machine.
        options = f'port {port}\nbind 127.0.0.1\nsave ""\ndir {self._folder}\nrepl-diskless-sync-delay 0\n'
        options += f"requirepass {self._password}\nmasterauth {self._password}\n"
        process = subprocess.Popen(
            [self._executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        process.stdin.write(options.encode())
        process.stdin.close()
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with contextlib.closing(self._client(port)) as client:
                    client.ping()
            except redis.RedisError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return process


def _value(client: Any, key: bytes) -> bytes:
    match client.type(key):
        case b"hash":
            return b"\n".join(part for pair in client.hgetall(key).items() for part in pair)
        case b"zset":
            return b"\n".join(client.zrange(key, 0, -1))
        case b"list":
            return b"\n".join(client.lrange(key, 0, -1))
        case b"set":
            return b"\n".join(client.smembers(key))
        case b"string":
            return client.get(key) or b""
        case b"stream":
            return repr(client.xrange(key)).encode()
        case _:
            return b""
