"""The shape of the configuration file: every key, its type, its default and its meaning.

`docs/configuration.md` is made from these models, so a description here is written for the operator.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from exporter.durations import format_duration, parse_duration

_LOOKS_LIKE_A_TOKEN = re.compile(r"pt-[0-9A-Za-z*]+_", re.IGNORECASE)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST_HEADER = re.compile(r"[0-9A-Za-z.\-_]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


def _duration(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    hint = f'; write "{value}s" if seconds are meant' if type(value) is int else ""
    raise ValueError(f"must be a duration with its unit, such as 90s, 1h30m or 14d{hint}")


def _no_token(value: str) -> str:
    if _LOOKS_LIKE_A_TOKEN.search(value):
        raise ValueError("holds what looks like a token itself; put the token into a file and name the file here")
    return value


def _variable(value: str) -> str:
    _no_token(value)
    if not _VARIABLE_NAME.fullmatch(value):
        raise ValueError("is no name of an environment variable; give the name, not the token")
    return value


def _http_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError("is no URL; write https://host or https://host:port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(char.isspace() for char in value):
        raise ValueError("is no URL that can be used; write http:// or https://, a host and, if need be, a port")
    return parts


def _endpoint(value: str) -> str:
    parts = _http_url(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; the API knows its token only")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or fragment; write the platform's address alone")
    address = value.rstrip("/")
    if address.endswith("/oapi/v1"):
        raise ValueError("must not end in /oapi/v1, which is added by itself; write the part before it")
    return address


def _proxy(value: str) -> str:
    _http_url(value)
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("is no time zone; write a name such as Asia/Shanghai or UTC") from None
    except KeyError:
        raise ValueError("is no time zone known here; write a name such as Asia/Shanghai or UTC") from None
    return value


def _host(value: str) -> str:
    if not _HOST_HEADER.fullmatch(value):
        raise ValueError("is no host name; write it as it should stand in the Host header, such as acme.example.com")
    return value


Duration = Annotated[float, BeforeValidator(_duration), Field(json_schema_extra={"shown_as": "duration"})]
"""Seconds, written in the file as Prometheus writes durations."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
VariableName = Annotated[str, AfterValidator(_variable)]
FilePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_no_token)]


class Section(BaseModel):
    """What all parts of the file share: no unknown keys, no conversions, no change once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


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

    per_token: bool = Field(True, description="The `yunxiao_token_*` series, one set a token.")
    per_permission: bool = Field(
        True,
        description="The `yunxiao_user_permission_*` series, one set a user and permission.",
    )
    relative: bool = Field(
        True,
        description="The `*_expires_in_seconds` series beside the `*_expiry_timestamp_seconds` ones.",
    )


class Tls(Section):
    """How the endpoint's certificate is checked."""

    ca_file: FilePath | None = Field(
        None,
        description=(
            "PEM file of the certificate authorities to trust, instead of the public ones. Relative to this file."
        ),
    )
    server_name: Annotated[str, AfterValidator(_host)] | None = Field(
        None, description="Name to expect in the certificate and to send as SNI, where it is not the endpoint's host."
    )
    insecure_skip_verify: bool = Field(
        False,
        description="Do not check the certificate at all. Whoever sits in between can then read the token.",
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


class Organization(Section):
    """One enterprise on one endpoint, with a token of its own."""

    name: Text = Field(description="Label `organization`; each name once.")
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        description="Address of the platform, without `/oapi/v1`, such as `https://acme.rdc.aliyuncs.com`."
    )
    host_header: Annotated[str, AfterValidator(_host)] | None = Field(
        None, description="`Host` header to send, where `endpoint` is an internal address of a shared gateway."
    )
    token_file: FilePath | None = Field(
        None,
        description=(
            "File that holds the administrator's token alone; re-read when it changes. Relative to this file. "
            "Either this or `token_env`."
        ),
    )
    token_env: VariableName | None = Field(None, description="Name of the environment variable that holds the token.")
    tls: Tls = Field(default_factory=Tls, description=Tls.__doc__)
    proxy_url: Annotated[str, AfterValidator(_proxy)] | None = Field(
        None,
        repr=False,
        description="HTTP proxy to use; otherwise `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.",
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        "Asia/Shanghai", description="Time zone in which dates without a zone are read."
    )
    limits: Limits = Field(default_factory=Limits, description=Limits.__doc__)
    users: Users = Field(description=Users.__doc__)

    @model_validator(mode="after")
    def _one_token_source(self) -> Self:
        if (self.token_file is None) == (self.token_env is None):
            raise ValueError("needs exactly one of token_file and token_env")
        return self

    @model_validator(mode="after")
    def _somebody_to_watch(self) -> Self:
        if not self.users.static and not self.users.files:
            raise ValueError("watches nobody; name users in users.static or users.files")
        return self


class Config(Section):
    """The whole file."""

    poll: Poll = Field(default_factory=Poll, description=Poll.__doc__)
    metrics: Metrics = Field(default_factory=Metrics, description=Metrics.__doc__)
    organizations: tuple[Organization, ...] = Field(min_length=1, description=Organization.__doc__)
