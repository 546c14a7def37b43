"""The shape of the configuration file: every key, its type, its default and its meaning.

`docs/configuration.md` is made from these models, so a description here is written for the operator.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from exporter.common.durations import format_duration
from exporter.common.fields import (
    Duration,
    Endpoint,
    FilePath,
    HostName,
    LabelName,
    LabelValue,
    ProxyUrl,
    Section,
    Text,
    TimeZone,
    VariableName,
)
from exporter.config.alerting import Alerting, UserThresholds
from exporter.config.client import Tls
from exporter.config.discovery import Discover
from exporter.config.redis import Redis
from exporter.model.token import MOST_LISTED, MOST_TOKENS
from exporter.policies.schema import Policies


class Poll(Section):
    """How often the platform is asked, and for how long."""

    interval: Duration = Field(900.0, ge=1, description="Time from the start of one sweep over all users to the next.")
    timeout: Duration = Field(
        10.0, ge=0.1, le=600, description="Total time for one request, from connecting to the last byte of the answer."
    )
    stale_after: Duration = Field(
        3600.0, gt=0, description="Age of a user's data from which it counts as stale. At least `interval`."
    )
    spread: bool = Field(
        True,
        description=(
            "Spread each sweep over the interval, every user at a fixed offset, instead of asking as fast as the "
            "limits allow. The first sweep after a start is never spread."
        ),
    )

    @model_validator(mode="after")
    def _stale_after_an_interval(self) -> Self:
        if self.stale_after < self.interval:
            raise ValueError(
                f"stale_after ({format_duration(self.stale_after)}) is shorter than interval "
                f"({format_duration(self.interval)}), so all data would be stale; make it two intervals or more"
            )
        return self


class Metrics(Section):
    """Which of the detailed series are exposed."""

    per_token: bool = Field(
        True,
        description=(
            "The `yunxiao_token_*` series, one set a token. Without them Prometheus' rules cannot alert on tokens."
        ),
    )
    per_permission: bool = Field(
        True,
        description="The `yunxiao_user_permission_*` series, one set a user and permission.",
    )
    relative: bool = Field(
        True,
        description="The `*_expires_in_seconds` series beside the `*_expiry_timestamp_seconds` ones.",
    )
    expiring_within: Annotated[Duration, Field(gt=0)] | None = Field(
        None,
        description=(
            "Series of their own only for tokens and permissions that expire within this time or have expired, such as "
            "`90d`; the counts cover all. null for all."
        ),
    )
    max_series: int = Field(
        1_000_000,
        ge=1000,
        description=(
            "Most series in a scrape. Where there would be more, those a token or permission are left out: of the "
            "largest users first, if they are what is too much, else whole families. "
            "`yunxiao_exporter_users_left_out` and `yunxiao_exporter_family_left_out` say what; docs/scaling.md has "
            "the rules."
        ),
    )
    max_tokens_per_user: int = Field(
        MOST_TOKENS,
        ge=1,
        le=MOST_LISTED,
        description=(
            "Most tokens of one user that are watched one by one, those that expire next first; the rest is counted, "
            "and `yunxiao_user_tokens_left_out` says how many that are."
        ),
    )


class Limits(Section):
    """How much of the platform's capacity is used."""

    requests_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        5.0, description="Highest rate of requests, retries included; null for no limit."
    )
    concurrency: int = Field(8, ge=1, le=256, description="Requests under way at once, and connections kept open.")
    max_retry_after: Duration = Field(
        300.0, ge=0, le=86400, description="Longest pause taken when the platform sends `Retry-After`."
    )


class StaticUser(Section):
    """A user to watch. The same form in `users.static` and in the files of `users.files`."""

    id: Text = Field(description="User id as the platform knows it. Quote it: YAML reads 0123456 as another number.")
    name: Text | None = Field(None, description="Name to show, label `user`; the id where none is given.")
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict,
        description="Labels for the user's alerts, such as `team` or `email`, for Alertmanager to route by.",
    )
    thresholds: UserThresholds | None = Field(None, description=UserThresholds.__doc__)


class Users(Section):
    """Whom to watch."""

    static: tuple[StaticUser, ...] = Field((), description="Users listed right here.")
    files: tuple[FilePath, ...] = Field(
        (),
        description=(
            "Files with lists of users, as globs relative to this file; re-read when they change. "
            "An id that `static` has too keeps what `static` says."
        ),
    )
    discover: Discover | None = Field(None, description=Discover.__doc__)


class Organization(Section):
    """One enterprise on one endpoint, with a token of its own."""

    name: Text = Field(description="Label `organization`; each name once.")
    endpoint: Endpoint = Field(
        description="Address of the platform, without `/oapi/v1`, such as `https://acme.rdc.aliyuncs.com`."
    )
    host_header: HostName | None = Field(
        None, description="`Host` header to send, where `endpoint` is an internal address of a shared gateway."
    )
    token_file: FilePath | None = Field(
        None,
        description=(
            "File that holds the administrator's token alone; re-read when it changes. Relative to this file. "
            "One of this, `token_files` and `token_env`."
        ),
    )
    token_files: tuple[FilePath, ...] = Field(
        (),
        max_length=8,
        description=(
            "Such files, the token in use and its successors: when the platform refuses one, the next is tried at once "
            "and stays in use if it is taken."
        ),
    )
    token_env: VariableName | None = Field(None, description="Name of the environment variable that holds the token.")
    tls: Tls = Field(default_factory=Tls, description=Tls.__doc__)
    proxy_url: ProxyUrl | None = Field(
        None,
        repr=False,
        description="HTTP proxy to use; otherwise `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.",
    )
    timezone: TimeZone = Field("Asia/Shanghai", description="Time zone in which dates without a zone are read.")
    limits: Limits = Field(default_factory=Limits, description=Limits.__doc__)
    users: Users = Field(description=Users.__doc__)

    @model_validator(mode="after")
    def _one_token_source(self) -> Self:
        if (self.token_file is not None) + bool(self.token_files) + (self.token_env is not None) != 1:
            raise ValueError("needs exactly one of token_file, token_files and token_env")
        return self

    @model_validator(mode="after")
    def _somebody_to_watch(self) -> Self:
        if not self.users.static and not self.users.files and self.users.discover is None:
            raise ValueError("watches nobody; name users in users.static or users.files, or have users.discover")
        return self


class StorageSection(Section):
    """Where state is kept over a restart, so that no series has a gap and no alert is resolved by it."""

    path: FilePath | None = Field(
        None,
        description=(
            "SQLite file, relative to this file; its folder must be writable. null keeps state in memory. "
            "Read at the start: a change needs a restart."
        ),
    )


class Config(Section):
    """The whole file."""

    poll: Poll = Field(default_factory=Poll, description=Poll.__doc__)
    metrics: Metrics = Field(default_factory=Metrics, description=Metrics.__doc__)
    organizations: tuple[Organization, ...] = Field(min_length=1, description=Organization.__doc__)
    storage: StorageSection = Field(default_factory=StorageSection, description=StorageSection.__doc__)
    redis: Redis | None = Field(None, description=Redis.__doc__)
    alerting: Alerting = Field(default_factory=Alerting, description=Alerting.__doc__)
    policies: Policies = Field(default_factory=Policies, description=Policies.__doc__)

    @property
    def discover_intervals(self) -> tuple[float, ...]:
        """Seconds between two looks at the list of users, of each organization that is discovered."""
        return tuple(one.users.discover.interval for one in self.organizations if one.users.discover is not None)
