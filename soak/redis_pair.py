"""A Redis master and its replica behind a relay: they can be killed, switched and frozen."""

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
    """Starts both servers; `close` stops them. Nothing is stored on disk: a killed server loses all data.

    Args:
        folder: their working directory.
        password: of clients and replicas.
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
        """Kill the master; connections are reset, new ones refused."""
        self._processes[self._master].kill()
        self._processes[self._master].wait()

    def revive(self) -> None:
        """Start the master again, without data."""
        self._processes[self._master] = self._start(self._ports[self._master])

    def fail_over(self) -> None:
        """Swap master and replica. Existing connections stay with the old master."""
        self._master = 1 - self._master
        self._follow()
        self._relay.switch(self._ports[self._master])

    def freeze(self) -> None:
        """Freeze the master (SIGSTOP); connections stay open."""
        self._processes[self._master].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the master run again."""
        self._processes[self._master].send_signal(signal.SIGCONT)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Every key of the master with its content as bytes."""
        with contextlib.closing(self._client(self._ports[self._master])) as client:
            for key in list(client.scan_iter(count=500)):
                yield key.decode("utf-8", "replace"), _value(client, key)

    def close(self) -> None:
        """Stop the servers and the relay."""
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
