"""The section `redis`: the server that shards and replicas share."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from exporter.common.fields import Duration, FilePath, RedisUrl, Section, Text
from exporter.config.client import CertificateFiles


class Redis(Section):
    """A Redis or Valkey that shards and replicas of the exporter share.

    With it all processes together keep to an organization's rate limit. One replica of each shard polls; the others
    serve its state, and one of them takes over when it fails. Read once at startup: a change needs a restart.
    """

    url: RedisUrl = Field(
        description=(
            "URL, such as `redis://redis:6379/0`; `rediss://` for TLS. For Redis Sentinel, "
            "`redis+sentinel://sentinel-0:26379,sentinel-1:26379/mymaster/0` or `rediss+sentinel://`: the addresses of "
            "the Sentinels, the service name, the database."
        )
    )
    username: Text | None = Field(None, description="User name, if the server has several users.")
    password_file: FilePath | None = Field(
        None, description="File that contains only the password, in UTF-8; one newline at its end is dropped."
    )
    tls: CertificateFiles = Field(default_factory=CertificateFiles, description="Certificates for `rediss://`.")
    key_prefix: Text = Field(
        "yunxiao-token-exporter",
        description=(
            "Prefix of every key. Exporters with the same prefix work together, so different enterprises that share "
            "one Redis need different prefixes."
        ),
    )
    lease: Duration = Field(
        15.0,
        ge=1,
        le=300,
        description="Time after which another replica takes over from one that no longer renews its lease.",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=16,
        description=(
            "Replicas of each shard. While Redis is unavailable, each process uses the rate divided by the number of "
            "shards and replicas."
        ),
    )

    @model_validator(mode="after")
    def _files_require_tls(self) -> Self:
        if not self.url.startswith("rediss"):
            for key in ("ca_file", "cert_file"):
                if getattr(self.tls, key) is not None:
                    raise ValueError(f"tls.{key} requires a rediss:// URL; change url, or remove tls.{key}")
        return self
