"""TLS and credentials of any server that the exporter calls: the platform, Alertmanager, Redis."""

from __future__ import annotations

from pydantic import Field

from exporter.common.fields import FilePath, HostName, Section, Text


class TlsAuthorities(Section):
    """Certificate authorities for a server's certificate."""

    ca_file: FilePath | None = Field(
        None,
        description=(
            "PEM file of the certificate authorities to trust, instead of the public ones. Relative to this file."
        ),
    )


class Tls(TlsAuthorities):
    """How the server's certificate is verified."""

    server_name: HostName | None = Field(
        None, description="Name to expect in the certificate and to send as SNI, if it is not the host in the URL."
    )
    insecure_skip_verify: bool = Field(
        False,
        description="Do not verify the certificate. Anyone on the network path can then read the credentials.",
    )


class BasicAuth(Section):
    """HTTP basic auth."""

    username: Text = Field(description="User name.")
    password_file: FilePath = Field(
        description=(
            "File that contains only the password, in UTF-8; one newline at its end is dropped. "
            "Re-read when it changes."
        )
    )


class Authorization(Section):
    """A bearer token."""

    credentials_file: FilePath = Field(description="File that contains only the token; re-read when it changes.")
