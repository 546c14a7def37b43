"""The client for Redis or Valkey. The server may fail, move or send invalid answers; no call waits for it for long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.credentials import CredentialProvider
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from exporter.cluster.budget import Budget, bounded
from exporter.cluster.redis_tls import over_tls
from exporter.common.exceptions import clear_chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.redaction import Redactor
    from exporter.common.secrets import SecretSource
    from exporter.config.settings import RedisSettings

T = TypeVar("T")
_TIMEOUT = 2.0
"""Seconds to wait for each packet from the server."""
_SENTINEL_PORT = 26379
_LONGEST_DETAIL = 300
_RECONNECT_EVERY = 60.0
"""Seconds after which connections are opened again, so that changes in DNS are followed."""


class RedisCallError(Exception):
    """A call to Redis failed. The text is safe to show."""


class RedisClient:
    """Calls Redis. Every error is a `RedisCallError`, and closes the connections, which may lead to the wrong server.

    After a failover the old master answers READONLY, MASTERDOWN or LOADING on connections that stayed open.

    Args:
        settings: where Redis is.
        redactor: removes secrets from the texts of errors.
    """

    def __init__(self, settings: RedisSettings, redactor: Redactor) -> None:
        self.config = settings.config
        self._redactor = redactor
        self._budget = Budget()
        self._client = _client(settings, redactor, self._budget)
        self._up = True
        self._connected = time.monotonic()

    @property
    def up(self) -> bool:
        """Whether the last call worked."""
        return self._up

    def call(self, ask: Callable[[Any], T], *, seconds: float = 10.0, size: int = 1 << 26) -> T:
        """Make one call.

        Args:
            ask: sends commands and checks the answers; may raise any exception for an invalid answer.
            seconds: time limit for the call, including connecting but not the DNS lookup.
            size: limit for the answers, in bytes.

        Raises:
            RedisCallError: the call failed.
        """
        now = time.monotonic()
        if now - self._connected > _RECONNECT_EVERY:
            self._drop_connections(now)
        try:
            with self._budget.limited(seconds, size):
                answer = ask(self._client)
        except Exception as error:  # noqa: BLE001 - the library raises all kinds of exceptions for invalid answers; each becomes a RedisCallError
            text = self._text(error)
            clear_chain(error)
        else:
            self._up = True
            return answer
        # Outside the handler, and from a text, so that no error refers to another one, to itself or to its frames.
        self._up = False
        self._drop_connections(now)
        raise RedisCallError(text)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self._client.connection_pool.disconnect()

    def _drop_connections(self, now: float) -> None:
        self._connected = now
        # Not the connections in use: their threads will notice themselves.
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _text(self, error: Exception) -> str:
        # In a pipeline the text begins with the command, which has keys and data of users.
        text = str(error).rpartition(" caused error: ")[2]
        return self._redactor.clean(f"{type(error).__name__}: {text}")[:_LONGEST_DETAIL]


class _Credentials(CredentialProvider):
    """Reads the password file for each new connection."""

    def __init__(self, username: str | None, password: SecretSource | None, redactor: Redactor) -> None:
        self._username = username
        self._password = password
        self._redactor = redactor

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = "" if self._password is None else self._password.current().reveal()
        self._redactor.add(password)
        return (password,) if self._username is None else (self._username, password)


def _client(settings: RedisSettings, redactor: Redactor, budget: Budget) -> redis.Redis:
    """A client that waits at most two seconds for each packet from the server, and never retries."""
    config = settings.config
    parts = urlsplit(config.url)
    encrypted = parts.scheme.startswith("rediss")
    sentinel = parts.scheme.endswith("+sentinel")
    service, _, database = parts.path[1:].rpartition("/")
    options: dict[str, Any] = {
        "db": int(database or 0),
        "credential_provider": (
            _Credentials(config.username, settings.password, redactor)
            if config.username is not None or settings.password is not None
            else None
        ),
        **_transport_options(),
    }

    def kind(base: type[Connection]) -> type[Connection]:
        return bounded(over_tls(base, settings.tls) if encrypted else base, budget)

    if not sentinel:
        return redis.Redis(
            connection_pool=redis.ConnectionPool(
                connection_class=kind(Connection), host=parts.hostname, port=parts.port or 6379, **options
            )
        )
    manager: Any = Sentinel(_addresses(parts.netloc), sentinel_kwargs=_transport_options())  # type: ignore[no-untyped-call]
    for one in manager.sentinels:
        one.connection_pool.connection_class = kind(one.connection_pool.connection_class)
    client: redis.Redis = manager.master_for(
        unquote(service), connection_class=kind(SentinelManagedConnection), **options
    )
    return client


def _transport_options() -> dict[str, Any]:
    return {
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }


def _addresses(netloc: str) -> list[tuple[str, int]]:
    """The host and port of each Sentinel in ``a:26379,[::1]:26379``."""
    found = []
    for one in netloc.split(","):
        parts = urlsplit(f"//{one}")
        found.append((parts.hostname or "", parts.port or _SENTINEL_PORT))
    return found
