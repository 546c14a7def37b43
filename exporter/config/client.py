"""TLS and credentials of any server that the exporter calls: the platform, Alertmanager, Redis."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from exporter.common.fields import FilePath, HostName, Section, Text


class CertificateFiles(Section):
    """Certificate authorities for the server's certificate, and the certificate that the exporter shows to it."""

    ca_file: FilePath | None = Field(
        None,
        description=(
            "PEM file of the certificate authorities to trust, instead of the public ones. Relative to this file; "
            "re-read when it changes."
        ),
    )
    cert_file: FilePath | None = Field(
        None,
        description=(
            "PEM file of a client certificate, followed by the certificates between it and the authority. Relative to "
            "this file; re-read when it changes. Requires `key_file`."
        ),
    )
    key_file: FilePath | None = Field(
        None, description="PEM file of its key, without a password. Relative to this file; re-read when it changes."
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file require each other; set both or neither")
        return self


class Tls(CertificateFiles):
    """How the server's certificate is verified, and the certificate that the exporter shows to the server."""

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
