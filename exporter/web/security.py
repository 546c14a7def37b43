"""TLS and basic auth of the HTTP server, from a file in the format of Prometheus' exporter-toolkit.

The keys are documented at https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. Only
keys that Python's TLS supports are accepted; any other key is an error.
"""

from __future__ import annotations

import re
import ssl
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import bcrypt
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from exporter.common.fields import FilePath, Section
from exporter.config.document import read_yaml
from exporter.config.errors import ConfigError
from exporter.config.validation import keys_of, validated
from exporter.web.basic_auth import BasicAuth
from exporter.web.certificates import TlsError, check_ciphers, check_file, no_passphrase

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from exporter.common.clock import Clock
    from exporter.web.refusals import Refusals

_BCRYPT = re.compile(r"(?P<version>\$2[abxy])\$(?P<cost>\d\d)\$(?P<rest>[./A-Za-z0-9]{53})")
_LOWEST_COST = 4
_HIGHEST_COST = 16
"""Highest cost of a bcrypt hash: a check at this cost takes about four seconds."""


class ClientAuth(StrEnum):
    """How client certificates are verified, with the names of Go's crypto/tls."""

    NONE = "NoClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE = "RequireAndVerifyClientCert"


_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


def _version(value: str) -> str:
    if value not in _VERSIONS:
        raise ValueError(f"must be one of {', '.join(_VERSIONS)}")
    return value


def _client_auth(value: str) -> str:
    if value not in set(ClientAuth):
        raise ValueError(f"must be one of {', '.join(ClientAuth)}")
    return value


def _bcrypt_hash(value: Any) -> str:
    # Checked first, and never shown: the value may be a password in plain text.
    match = _BCRYPT.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - the same error
        # At the lowest cost, which is fast: whether the rest is valid does not depend on the cost.
        bcrypt.checkpw(b"", f"{match['version']}${_LOWEST_COST:02d}${match['rest']}".encode())
    except ValueError:
        raise ValueError("is not a bcrypt hash; create one with: htpasswd -nBC 10 USER") from None
    if not _LOWEST_COST <= int(match["cost"]) <= _HIGHEST_COST:
        raise ValueError(
            f"is a bcrypt hash of cost {match['cost']}, outside {_LOWEST_COST} to {_HIGHEST_COST}; "
            "create one with: htpasswd -nBC 10 USER"
        )
    return str(value)


class TlsServer(Section):
    """The section `tls_server_config`."""

    cert_file: FilePath
    key_file: FilePath
    client_auth_type: Annotated[str, AfterValidator(_client_auth)] = ClientAuth.NONE.value
    client_ca_file: FilePath | None = None
    min_version: Annotated[str, AfterValidator(_version)] = "TLS12"
    cipher_suites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _authority_for_clients(self) -> Self:
        if (self.client_auth_type == ClientAuth.NONE) != (self.client_ca_file is None):
            raise ValueError(
                "client_ca_file and a client_auth_type that verifies require each other; set both or neither"
            )
        return self


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    basic_auth_users: dict[str, Annotated[str, BeforeValidator(_bcrypt_hash)]] = Field(default_factory=dict, repr=False)


_WEB: TypeAdapter[WebConfig] = TypeAdapter(WebConfig)


class WebSecurity:
    """The TLS and basic auth settings of a web configuration file."""

    def __init__(self, config: WebConfig, tls: ssl.SSLContext | None) -> None:
        self.tls = tls
        self.users = dict(config.basic_auth_users)

    @classmethod
    def none(cls) -> WebSecurity:
        """Plain HTTP without authentication."""
        return cls(WebConfig(), None)

    @classmethod
    def load(cls, file: Path) -> WebSecurity:
        """Read and check a file and the certificates that it names.

        Raises:
            ConfigError: the file or a certificate is invalid.
        """
        document = read_yaml(file, str(file))
        if document.data is None:
            return cls.none()
        config = validated(_WEB, document, lambda path: keys_of(WebConfig, path))
        server = config.tls_server_config
        if server is None:
            return cls(config, None)
        try:
            return cls(config, _context(server, file.parent))
        except TlsError as error:
            path = ("tls_server_config", *error.key)
            raise ConfigError((document.fault(path, error.problem, error.hint),)) from None
        except (OSError, ValueError) as error:
            fault = document.fault(
                ("tls_server_config",),
                f"the certificate, key, authority or ciphers cannot be loaded: {_why(error)}",
                "check that the files exist, are readable, are in PEM format and belong together",
            )
            raise ConfigError((fault,)) from None

    def guard(self, app: ASGIApp, clock: Clock, refusals: Refusals) -> ASGIApp:
        """The application behind basic auth, or unchanged if no users are configured."""
        return BasicAuth(app, self.users, clock, refusals) if self.users else app


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        # Errors that Python raises itself have no reason.
        return getattr(error, "reason", None) or "not understood by the TLS library"
    return getattr(error, "strerror", None) or "not understood"


def _context(server: TlsServer, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[server.min_version]
    certificate = check_file("cert_file", folder / server.cert_file)
    key = check_file("key_file", folder / server.key_file)
    context.load_cert_chain(certificate, key, no_passphrase(key))
    if server.cipher_suites:
        check_ciphers(server.cipher_suites)
        context.set_ciphers(":".join(server.cipher_suites))
    if server.client_ca_file is not None:
        context.load_verify_locations(check_file("client_ca_file", folder / server.client_ca_file))
        required = server.client_auth_type == ClientAuth.REQUIRE
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def security_of(file: Path | None) -> WebSecurity:
    """The settings of a file; plain HTTP without authentication if there is none."""
    return WebSecurity.none() if file is None else WebSecurity.load(file)
