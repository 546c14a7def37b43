"""The shape of the section `redis`: what shards and replicas share."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from exporter.common.fields import Duration, FilePath, RedisUrl, Section, Text
from exporter.config.client import TlsAuthorities


class Redis(Section):
    """A Redis or Valkey that shards and replicas of the exporter share.

    With it the rate limit of an organization holds for all of them together, and of several replicas of a shard one
    polls while the others serve what it learns and take over when it is gone. Read at the start: a change needs a
    restart.
    """

    url: RedisUrl = Field(
        description=(
            "Its address, such as `redis://redis:6379/0`; `rediss://` for TLS. With Sentinels "
            "`redis+sentinel://sentinel-0:26379,sentinel-1:26379/mymaster/0`, or `rediss+sentinel://`: their "
            "addresses, the service, the database."
        )
    )
    username: Text | None = Field(None, description="User name, where the server has several.")
    password_file: FilePath | None = Field(
        None, description="File that holds the password alone, in UTF-8; one newline at its end is dropped."
    )
    tls: TlsAuthorities = Field(
        default_factory=TlsAuthorities, description="How the certificate of a `rediss://` server is verified."
    )
    key_prefix: Text = Field(
        "yunxiao-token-exporter",
        description=(
            "Beginning of every key. Exporters with the same prefix work together, so different enterprises on one "
            "Redis need different prefixes."
        ),
    )
    lease: Duration = Field(
        15.0, ge=1, le=300, description="Time after which a replica that is silent counts as gone; another takes over."
    )
    replicas: int = Field(
        1,
        ge=1,
        le=16,
        description=(
            "Replicas of each shard. While Redis is away each process keeps to the rate divided by shards and replicas."
        ),
    )

    @model_validator(mode="after")
    def _authorities_only_with_tls(self) -> Self:
        if self.tls.ca_file is not None and not self.url.startswith("rediss"):
            raise ValueError("tls.ca_file goes with a rediss:// url; this one is not encrypted")
        return self
