"""The connection to Redis or Valkey, which may go away at any time and is never waited for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from exporter.config.loader import RedisSettings

Trouble = (redis.RedisError, OSError)
"""What a call may raise when Redis is away or does not do what it is asked."""
_TIMEOUT = 2.0


def connect(settings: RedisSettings) -> redis.Redis:
    """A client that waits two seconds at most for each word of the server, and repeats nothing behind our back."""
    config = settings.config
    return redis.Redis.from_url(
        config.url,
        username=config.username,
        password=None if settings.password is None else settings.password.current().reveal(),
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=30,
        **({"ssl_ca_certs": str(settings.ca_file)} if settings.ca_file is not None else {}),
    )
