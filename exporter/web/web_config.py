"""The schema of `--web.config.file`: the whole format of Prometheus' exporter-toolkit.

The keys are documented at https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import bcrypt
from pydantic import AfterValidator, BeforeValidator, Field

from exporter.common.fields import FilePath, Section
from exporter.web.tls_names import CLIENT_AUTH, CURVES, HIGHEST, LOWEST, OLD_VERSIONS, VERSIONS, ClientAuth

LOWEST_COST = 4
HIGHEST_COST = 18
"""Highest cost of a bcrypt hash: a check takes about 16 seconds."""
_BCRYPT = re.compile(r"(?P<version>\$2[abxy])\$(?P<cost>\d\d)\$(?P<rest>[./A-Za-z0-9]{53})")
HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
"""The headers that may be set, with the accepted values; any value if there are none."""
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")


def _blank_is_unset(value: Any) -> Any:
    return None if value == "" else value


def _pem(value: Any) -> str | None:
    # The value is never shown: it may be a private key.
    if value is None or isinstance(value, str):
        return value or None
    raise ValueError("must be text in PEM format; write it as a block: start with | and indent each line")


def _nothing_is_empty(value: Any) -> Any:
    return () if value is None else value


def _names(value: Any) -> Any:
    if value == ():
        # In Go this refuses all clients.
        raise ValueError("is an empty list, which would refuse all clients; add a name, or remove the key")
    return _nothing_is_empty(value)


def _no_keys(value: Any) -> Any:
    return {} if value is None else value


def _client_auth(value: str) -> str:
    if value not in CLIENT_AUTH:
        raise ValueError(f"is not a valid type; set it to one of {', '.join(ClientAuth)}")
    return CLIENT_AUTH[value].value


def _version(value: str) -> str:
    if value not in VERSIONS and value not in OLD_VERSIONS:
        raise ValueError(f"is not a known TLS version; set it to {' or '.join(VERSIONS)}")
    return value


def _curve(value: str) -> str:
    if value not in CURVES:
        raise ValueError(f"is not a known curve; set it to one of {', '.join(CURVES)}")
    return value


def _bcrypt_hash(value: Any) -> str:
    # Checked first, and never shown: the value may be a password in plain text.
    match = _BCRYPT.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - the same error
        # At the lowest cost, which is fast: whether the rest is valid does not depend on the cost.
        bcrypt.checkpw(b"", f"{match['version']}${LOWEST_COST:02d}${match['rest']}".encode())
    except ValueError:
        raise ValueError("is not a bcrypt hash; create one with: htpasswd -nBC 10 USER") from None
    if not LOWEST_COST <= int(match["cost"]) <= HIGHEST_COST:
        raise ValueError(
            f"is a bcrypt hash of cost {match['cost']}, outside {LOWEST_COST} to {HIGHEST_COST}; "
            "create one with: htpasswd -nBC 10 USER"
        )
    return str(value)


def _header(value: Any) -> Any:
    if value is None:
        return ""
    # `X-XSS-Protection: 1` is a number in YAML.
    return str(value) if type(value) in {int, float} else value


def _headers(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if name not in HEADERS:
            raise ValueError(f"the header {name} cannot be set; remove it, or set one of {', '.join(HEADERS)}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} contains a character that is not allowed in a header; remove it")
        accepted = HEADERS[name]
        if value and accepted and value not in accepted:
            raise ValueError(f"the value of {name} is not valid; set it to {' or '.join(accepted)}")
    return values


def parse_interval(value: Any) -> float:
    """Seconds of a Go duration, such as ``1s``, ``1m30s`` or ``250ms``; 0 as a number is allowed too.

    Raises:
        ValueError: it is something else.
    """
    if value is None or (type(value) is int and value == 0) or value == "0":
        return 0.0
    if isinstance(value, str) and value and not _AMOUNT.sub("", value):
        return sum(float(amount) * _UNITS[unit] for amount, unit in _AMOUNT.findall(value))
    raise ValueError("must be a duration with its unit, such as 1s, 1m30s or 250ms; 0 disables the limit")


_Path = Annotated[FilePath | None, BeforeValidator(_blank_is_unset)]
_Pem = Annotated[str | None, BeforeValidator(_pem)]
_Version = Annotated[str, AfterValidator(_version)]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_nothing_is_empty)]


class TlsServer(Section):
    """The section `tls_server_config`."""

    cert: _Pem = Field(default=None, repr=False)
    key: _Pem = Field(default=None, repr=False)
    client_ca: _Pem = Field(default=None, repr=False)
    cert_file: _Path = None
    key_file: _Path = None
    client_auth_type: Annotated[str, AfterValidator(_client_auth)] = ClientAuth.NONE.value
    client_ca_file: _Path = None
    client_allowed_sans: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    min_version: _Version = LOWEST
    max_version: _Version = HIGHEST
    cipher_suites: _Texts = ()
    curve_preferences: Annotated[
        tuple[Annotated[str, AfterValidator(_curve)], ...], BeforeValidator(_nothing_is_empty)
    ] = ()
    prefer_server_cipher_suites: bool = True


class HttpServer(Section):
    """The section `http_server_config`."""

    http2: bool = True
    headers: Annotated[
        dict[str, Annotated[str, BeforeValidator(_header)]], BeforeValidator(_no_keys), AfterValidator(_headers)
    ] = Field(default_factory=dict)


class RateLimit(Section):
    """The section `rate_limit`: a token bucket for all requests."""

    interval: Annotated[float, BeforeValidator(parse_interval)] = 0.0
    burst: Annotated[int, Field(ge=0)] = 0


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: Annotated[HttpServer, BeforeValidator(_no_keys)] = HttpServer()
    rate_limit: Annotated[RateLimit, BeforeValidator(_no_keys)] = RateLimit()
    basic_auth_users: Annotated[dict[str, Annotated[str, BeforeValidator(_bcrypt_hash)]], BeforeValidator(_no_keys)] = (
        Field(default_factory=dict, repr=False)
    )
