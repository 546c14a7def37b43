"""The types of configuration values, and how each is validated."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from exporter.common.durations import parse_duration
from exporter.common.plain_secrets import looks_like_a_token
from exporter.common.regex import compiled_regex

_LOOKS_LIKE_A_TOKEN = re.compile(r"pt-[0-9A-Za-z*]+_", re.IGNORECASE)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_LABELS = frozenset(
    {"alertname", "severity", "organization", "user_id", "user", "token_id", "token", "policy", "instance", "job"}
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBERS = frozenset({"inf", "nan"})
_HOST_HEADER = re.compile(r"[0-9A-Za-z.\-_]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


def _duration(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    hint = f'; write "{value}s" if seconds are meant' if type(value) is int else ""
    raise ValueError(f"must be a duration with its unit, such as 90s, 1h30m or 14d{hint}")


def _no_token(value: str) -> str:
    if _LOOKS_LIKE_A_TOKEN.search(value):
        raise ValueError("contains what looks like a token; put the token into a file and set this key to its path")
    return value


def _shown(value: str) -> str:
    if looks_like_a_token(value):
        raise ValueError("contains what looks like a token, but this value is public; set it to a name")
    return value


def _token_id(value: str) -> str:
    if _LOOKS_LIKE_A_TOKEN.search(value):
        raise ValueError("contains what looks like a whole token; write only the part before the _")
    return value


def _path(value: str) -> str:
    _no_token(value)
    if "\0" in value:
        raise ValueError("contains a NUL character; remove it")
    return value


def _variable(value: str) -> str:
    _no_token(value)
    if not _VARIABLE_NAME.fullmatch(value):
        raise ValueError(
            "is not a valid name of an environment variable; set it to the variable's name, not to the token"
        )
    return value


def _url(value: str, instead: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError(f"is not a valid URL; write {instead}") from None
    return parts


def _http_url(value: str) -> SplitResult:
    parts = _url(value, "https://host or https://host:port")
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(char.isspace() for char in value):
        raise ValueError("is not a valid HTTP URL; write http:// or https://, a host and optionally a port")
    return parts


def _bare_address(value: str, whose: str, instead: str) -> str:
    """A URL without credentials, query, fragment and trailing slash."""
    parts = _http_url(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"must not contain a user or password; {instead}")
    if parts.query or parts.fragment:
        raise ValueError(f"must not have a query or fragment; write only the address of {whose}")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    address = _bare_address(value, "the platform", "the platform's API accepts only its token")
    if address.endswith("/oapi/v1"):
        raise ValueError("must not end in /oapi/v1, which the exporter adds; write only the part before it")
    return address


def _proxy(value: str) -> str:
    if value.lower().startswith("socks"):
        raise ValueError("is a SOCKS proxy, which is not supported; write the URL of an HTTP proxy")
    _http_url(value)
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("is not a valid time zone; write a name such as Asia/Shanghai or UTC") from None
    except KeyError:
        raise ValueError("is not a known time zone; write a name such as Asia/Shanghai or UTC") from None
    return value


def _host(value: str) -> str:
    if not _HOST_HEADER.fullmatch(value):
        raise ValueError("is not a valid host name; write it as in a Host header, such as acme.example.com")
    return value


def _alertmanager(value: str) -> str:
    address = _bare_address(value, "Alertmanager", "use basic_auth with a password_file")
    return address.removesuffix("/api/v2/alerts")


def _redis(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme in {"redis+sentinel", "rediss+sentinel"}:
        return _sentinel(value, rest)
    parts = _url(value, "redis://host:6379/0")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user or password; use username and password_file")
    database = parts.path.removeprefix("/")
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is not a valid Redis URL; write redis://host:6379/0, or rediss:// for TLS")
    if database and not database.isdecimal():
        raise ValueError("must end in a database number, such as /0")
    return value


def _sentinel(value: str, rest: str) -> str:
    addresses, _, path = rest.partition("/")
    service, _, database = path.partition("/")
    if "@" in rest:
        raise ValueError("must not contain a user or password; use username and password_file")
    if not service or not database.isdecimal() or any(one in value for one in "?#"):
        raise ValueError("is not a valid Redis Sentinel URL; write redis+sentinel://host:26379,other:26379/service/0")
    for one in addresses.split(","):
        if not _url(f"redis://{one}", "redis://host:26379").hostname:
            raise ValueError("must name a host for each Sentinel, such as redis+sentinel://a:26379,b:26379/service/0")
    return value


def _page(value: str) -> str:
    _http_url(value)
    return value.rstrip("/")


def external_url(value: str) -> str:
    """The URL under which people open the exporter, without a trailing slash.

    Raises:
        ValueError: it is not one.
    """
    return _bare_address(value, "the exporter", "alerts would show it to everyone")


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            if _DAY.fullmatch(value):
                raise ValueError(
                    f"{value} is not a day of the calendar; write an existing date, such as 2026-12-31"
                ) from None
    raise ValueError("must be a date, such as 2026-12-31")


def _label_name(value: str) -> str:
    if not _LABEL_NAME.fullmatch(value) or value.startswith("__"):
        raise ValueError(f"{value!r} is not a valid label name; use letters, digits and _, such as cost_center")
    if value.lower() in _NUMBERS:
        # PromQL parses it as a number if a rule groups by it.
        raise ValueError(f"the label {value} is a number in Prometheus rules; choose another name")
    if value in _RESERVED_LABELS:
        raise ValueError(f"the label {value} is set by the exporter or by Prometheus; choose another name")
    return value


def _regex(value: str) -> str:
    compiled_regex(value)
    return value


Duration = Annotated[float, BeforeValidator(_duration), Field(json_schema_extra={"shown_as": "duration"})]
"""Seconds, written in the file as a Prometheus duration."""
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
Text = Annotated[_Words, AfterValidator(_shown)]
LabelValue = Annotated[str, AfterValidator(_shown)]
TokenId = Annotated[_Words, AfterValidator(_token_id)]
VariableName = Annotated[str, AfterValidator(_variable)]
FilePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_path)]
HostName = Annotated[str, AfterValidator(_host)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
AlertmanagerUrl = Annotated[str, AfterValidator(_alertmanager)]
RedisUrl = Annotated[str, AfterValidator(_redis)]
ExternalUrl = Annotated[str, AfterValidator(external_url)]
PageUrl = Annotated[str, AfterValidator(_page)]
Day = Annotated[date, BeforeValidator(_day), Field(json_schema_extra={"shown_as": "date"})]
LabelName = Annotated[str, AfterValidator(_label_name)]
OwnerLabel = Literal["email", "department", "username"]
"""What may be known about the owner of a token, and may become a label."""
Regex = Annotated[str, StringConstraints(min_length=1), AfterValidator(_regex)]


class Section(BaseModel):
    """The base of all sections: unknown keys are refused, values are not converted, instances are immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
