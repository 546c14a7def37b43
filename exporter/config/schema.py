"""The configuration file: every key, its type, its default and its meaning.

`docs/configuration.md` is generated from these models, so descriptions are written for operators.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

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
from exporter.config.web import Web
from exporter.model.labels import KIND
from exporter.model.token import LONGEST_LIFE, MOST_LISTED, MOST_TOKENS
from exporter.policies.schema import Policies


class Poll(Section):
    """How often the platform is polled."""

    interval: Duration = Field(900.0, ge=1, description="Time from the start of one sweep over all users to the next.")
    timeout: Duration = Field(
        10.0,
        ge=0.1,
        le=600,
        description="Total time for one request, from connecting to the last byte of the response.",
    )
    stale_after: Duration = Field(3600.0, gt=0, description="Age at which a user's data is stale. At least `interval`.")
    spread: bool = Field(
        True,
        description=(
            "Spread each sweep over the interval, each user at a fixed offset, instead of polling as fast as the "
            "limits allow. The first sweep after startup is never spread."
        ),
    )

    @model_validator(mode="after")
    def _stale_after_is_at_least_the_interval(self) -> Self:
        if self.stale_after < self.interval:
            raise ValueError(
                f"stale_after ({format_duration(self.stale_after)}) is shorter than interval "
                f"({format_duration(self.interval)}), so all data would be stale; set it to at least two intervals"
            )
        return self


class Metrics(Section):
    """Which of the detailed series are exposed."""

    per_token: bool = Field(
        True,
        description=(
            "The `yunxiao_token_*` and `yunxiao_ssh_key_*` series, one set per token or key. Rules need only those of "
            "`metrics.alerts`."
        ),
    )
    per_permission: bool = Field(
        True,
        description=(
            "The `yunxiao_user_permission_tokens`, `…_expiry_timestamp_seconds` and `…_expires_in_seconds` series, one "
            "set per user and permission."
        ),
    )
    permission_lost: bool = Field(
        False,
        description=(
            "The `yunxiao_user_permission_lost_timestamp_seconds` series, one per user and permission: when the last "
            "token that grants the permission expires."
        ),
    )
    alerts: bool = Field(
        True,
        description=(
            "The `*_alert_*` series, which only tokens and users in or near an alert have. The rules that "
            "`yunxiao-token-exporter rules` prints are based on them and cannot alert on tokens and users without them."
        ),
    )
    relative: bool = Field(
        True,
        description="The `*_expires_in_seconds` series in addition to the `*_expiry_timestamp_seconds` ones.",
    )
    expiring_within: Annotated[Duration, Field(gt=0)] | None = Field(
        None,
        description=(
            "Expose series per token and permission only if it expires within this time, such as `90d`, or has "
            "expired; counts always cover all. null for no restriction."
        ),
    )
    max_series: int = Field(
        1_000_000,
        ge=1000,
        description=(
            "Maximum number of series in a scrape. If there would be more, series per token and permission are left "
            "out: those of the largest users, or whole families. `yunxiao_exporter_users_left_out` and "
            "`yunxiao_exporter_family_left_out` report them; see docs/scaling.md for the rules."
        ),
    )
    max_tokens_per_user: int = Field(
        MOST_TOKENS,
        ge=1,
        le=MOST_LISTED,
        description=(
            "Maximum number of tokens of one user that are watched individually, those that expire next first. The "
            "others are only counted; `yunxiao_user_tokens_left_out` reports how many. Also the maximum number of SSH "
            "keys of one user."
        ),
    )


class Limits(Section):
    """Limits for requests to the platform."""

    requests_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        5.0, description="Maximum request rate, including retries; null for no limit."
    )
    concurrency: int = Field(
        8, ge=1, le=256, description="Maximum number of concurrent requests, and of open connections."
    )
    max_retry_after: Duration = Field(
        300.0, ge=0, le=86400, description="Longest pause when the platform sends `Retry-After`."
    )


class StaticUser(Section):
    """A user to watch. Entries in `users.static` and in the files of `users.files` have the same format."""

    id: Text = Field(
        description=(
            "User id on the platform: not the id of a member, the staff id or the login name. Quote it: YAML reads "
            "0123456 as a different number."
        )
    )
    name: Text | None = Field(None, description="Display name, label `user`. Default: the id.")
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict,
        description="Labels for the user's alerts, such as `team` or `email`, for Alertmanager to route by.",
    )
    thresholds: UserThresholds | None = Field(None, description=UserThresholds.__doc__)


class Users(Section):
    """The users to watch: at least one of static, files, discover.

    If a user appears in several, the first one listed here wins.
    """

    static: tuple[StaticUser, ...] = Field((), description="Users listed in this file.")
    files: tuple[FilePath, ...] = Field(
        (),
        description=(
            "Files with lists of users, as globs relative to this file; re-read when they change. "
            "If a user is also in `static`, that entry wins."
        ),
    )
    discover: Discover | None = Field(None, description=Discover.__doc__)


class Organization(Section):
    """One enterprise on one endpoint, with its own token."""

    name: Text = Field(description="Label `organization`; must be unique.")
    endpoint: Endpoint = Field(
        description=(
            "`https://` and the domain of the instance, such as `https://acme.rdc.aliyuncs.com`, without `/oapi/v1`. "
            "In Alibaba Cloud's console: Instance Management > Enterprise Dedicated Edition > the instance > "
            "Public Domain Name (公网访问域名)."
        )
    )
    host_header: HostName | None = Field(
        None, description="`Host` header to send, if `endpoint` is an internal address of a shared gateway."
    )
    token_file: FilePath | None = Field(
        None,
        description=(
            "File that contains only the token of an enterprise administrator; re-read when it changes. "
            "docs/platform.md lists the permissions that it needs. Relative to this file. "
            "Set exactly one of this, `token_files` and `token_env`."
        ),
    )
    token_files: tuple[FilePath, ...] = Field(
        (),
        max_length=8,
        description=(
            "Such files, with the current token and its successors. When the platform rejects one repeatedly, and for "
            "another user too, the next is tried immediately and stays in use if it is accepted."
        ),
    )
    token_env: VariableName | None = Field(
        None, description="Name of the environment variable that contains the token."
    )
    tls: Tls = Field(default_factory=Tls, description=Tls.__doc__)
    proxy_url: ProxyUrl | None = Field(
        None,
        repr=False,
        description=(
            "HTTP proxy to use; SOCKS is not supported. Default: `HTTPS_PROXY` or `HTTP_PROXY`, by the scheme of "
            "`endpoint`, or `ALL_PROXY`, unless `NO_PROXY` lists its host: as host, domain, IP address or network "
            "(CIDR), each with or without a port, or `*`."
        ),
    )
    timezone: TimeZone = Field("Asia/Shanghai", description="Time zone of dates without a zone.")
    credentials: tuple[Literal["tokens", "ssh_keys"], ...] = Field(
        ("tokens",),
        description=(
            "What to watch of each user: `tokens`, and optionally `ssh_keys`, the keys for Git over SSH. They take one "
            "more request for each user, are documented for the standard edition only, and are left alone where the "
            "platform does not offer them."
        ),
    )
    organization_id: Text | None = Field(
        None,
        description=(
            "Id of the organization on the platform, which the list of SSH keys requires. Default: that of "
            "`users.discover.organization_id`."
        ),
    )
    never_expires_after: Annotated[Duration, Field(gt=0)] | None = Field(
        LONGEST_LIFE,
        description=(
            "Time after which an expiry counts as never, from a token's creation, or from now if that is unknown: the "
            "platform may list a permanent token with a date decades away. In the last tenth of this time before it, "
            "an expiry is a date in any case. null takes every date as it is."
        ),
    )
    limits: Limits = Field(default_factory=Limits, description=Limits.__doc__)
    users: Users = Field(description=Users.__doc__)

    @model_validator(mode="after")
    def _exactly_one_token_source(self) -> Self:
        if (self.token_file is not None) + bool(self.token_files) + (self.token_env is not None) != 1:
            raise ValueError("needs exactly one of token_file, token_files and token_env")
        return self

    @model_validator(mode="after")
    def _credentials_can_be_listed(self) -> Self:
        if "tokens" not in self.credentials or len(set(self.credentials)) < len(self.credentials):
            raise ValueError("credentials must be [tokens] or [tokens, ssh_keys]")
        if self.watches_ssh_keys and self._organization_in_path and not self.organization_of_keys:
            raise ValueError(
                "credentials with ssh_keys require the id of the organization on the platform; set organization_id"
            )
        return self

    @property
    def watches_ssh_keys(self) -> bool:
        """Whether SSH keys are watched as well as tokens."""
        return "ssh_keys" in self.credentials

    @property
    def organization_of_keys(self) -> str:
        """The id of the organization for the list of SSH keys; "" if it is unknown or the path contains none."""
        if not self._organization_in_path:
            return ""
        discover = self.users.discover
        return self.organization_id or ("" if discover is None else discover.organization_id or "")

    @property
    def _organization_in_path(self) -> bool:
        return self.users.discover is None or self.users.discover.organization_in_path

    @model_validator(mode="after")
    def _has_users(self) -> Self:
        if not self.users.static and not self.users.files and self.users.discover is None:
            raise ValueError("has no users; set users.static, users.files or users.discover")
        return self


class StorageSection(Section):
    """Where state is stored, so that a restart causes no gaps in series and resolves no alerts."""

    path: FilePath | None = Field(
        None,
        description=(
            "SQLite file, relative to this file; its folder must be writable. null keeps state in memory. "
            "Read once at startup: a change needs a restart."
        ),
    )


class Config(Section):
    """The whole file."""

    poll: Poll = Field(default_factory=Poll, description=Poll.__doc__)
    metrics: Metrics = Field(default_factory=Metrics, description=Metrics.__doc__)
    organizations: tuple[Organization, ...] = Field(min_length=1, description=Organization.__doc__)
    storage: StorageSection = Field(default_factory=StorageSection, description=StorageSection.__doc__)
    redis: Redis | None = Field(None, description=Redis.__doc__)
    web: Web = Field(default_factory=Web, description=Web.__doc__)
    alerting: Alerting = Field(default_factory=Alerting, description=Alerting.__doc__)
    policies: Policies = Field(default_factory=Policies, description=Policies.__doc__)

    @model_validator(mode="after")
    def _kind_is_no_label(self) -> Self:
        """Prometheus rules would replace the label `kind` of SSH keys by a configured one."""
        static = (user for one in self.organizations if one.watches_ssh_keys for user in one.users.static)
        if self.watches_ssh_keys and (KIND in self.alerting.labels or any(KIND in user.labels for user in static)):
            raise ValueError(
                f"the label {KIND} is set by the exporter for SSH keys (credentials); choose another name in "
                "alerting.labels and in the labels of users"
            )
        return self

    @property
    def watches_ssh_keys(self) -> bool:
        """Whether the SSH keys of any organization are watched."""
        return any(one.watches_ssh_keys for one in self.organizations)

    @property
    def discover_intervals(self) -> tuple[float, ...]:
        """Seconds between two refreshes of the list of users, for each organization with discovery."""
        return tuple(one.users.discover.interval for one in self.organizations if one.users.discover is not None)
