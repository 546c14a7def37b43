"""Makes the TLS settings of the HTTP server from `tls_server_config`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from exporter.common.certificates import Pem, TlsError, load_authority, load_pair, pem_of
from exporter.web.handshake import ServerTls, accept_any_certificate, normal_name
from exporter.web.tls_names import (
    CIPHERS_12,
    CIPHERS_13,
    CURVES,
    HIGHEST,
    LOWEST,
    OLD_VERSIONS,
    REQUIRED_BY_HTTP2,
    VERSIONS,
    ClientAuth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.web.web_config import TlsServer

_CURVES_IGNORED = (
    "curve_preferences with several curves is ignored, because this version of Python can set only one; "
    "the curves and order of OpenSSL are used"
)


def files_of(server: TlsServer, folder: Path) -> tuple[Path, ...]:
    """The files that the section names."""
    named = (server.cert_file, server.key_file, server.client_ca_file)
    return tuple(folder / one for one in named if one is not None)


def server_tls(server: TlsServer, folder: Path, *, http2: bool) -> tuple[ServerTls, tuple[str, ...]]:
    """The TLS settings, and warnings about what they do not do as written.

    Args:
        server: the section.
        folder: the folder of the web configuration; paths are relative to it.
        http2: whether the file enables HTTP/2, as it does by default.

    Raises:
        TlsError: they cannot be used.
    """
    check_keys(server)
    certificate, key = _required(server, folder, "cert"), _required(server, folder, "key")
    context = ServerTls(ssl.PROTOCOL_TLS_SERVER)
    # As in Go: any certificate of client_ca is trusted, not only one that signed itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    warnings = [
        *_set_versions(context, server),
        *_set_ciphers(context, server, http2=http2),
        *_set_curves(context, server.curve_preferences),
    ]
    load_pair(context, certificate, key)
    warnings += _set_client_auth(context, server, folder)
    return context, tuple(warnings)


def check_keys(server: TlsServer) -> None:
    """Check that no key is missing, and that client authentication does what the section seems to say.

    Raises:
        TlsError: one is missing, or a key has no effect.
    """
    for key in ("cert", "key"):
        if getattr(server, key) is None and getattr(server, f"{key}_file") is None:
            hint = f"set {key}_file to a path, or {key} to the text in PEM format"
            raise TlsError((f"{key}_file",), "is missing", hint)
    kind = ClientAuth(server.client_auth_type)
    authority = next((one for one in ("client_ca", "client_ca_file") if getattr(server, one) is not None), None)
    wanted = f"set client_auth_type: {ClientAuth.REQUIRE}"
    if kind is ClientAuth.NONE and authority is not None:
        raise TlsError((authority,), "is set, but client_auth_type requests no client certificates", wanted)
    if kind is ClientAuth.NONE and server.client_allowed_sans:
        raise TlsError(("client_allowed_sans",), "is set, but client_auth_type requests no client certificates", wanted)
    if kind is ClientAuth.REQUIRE and authority is None:
        raise TlsError(
            ("client_auth_type",),
            f"{kind} needs the authority that issues the client certificates",
            "set client_ca_file or client_ca",
        )


def _required(server: TlsServer, folder: Path, key: str) -> Pem:
    pem = _pem(server, folder, key)
    assert pem is not None, "checked before"  # noqa: S101 - for the type checker
    return pem


def _pem(server: TlsServer, folder: Path, key: str) -> Pem | None:
    file = getattr(server, f"{key}_file")
    return pem_of(key, getattr(server, key), None if file is None else folder / file)


def _set_versions(context: ssl.SSLContext, server: TlsServer) -> list[str]:
    if server.max_version in OLD_VERSIONS:
        raise TlsError(("max_version",), f"{server.max_version} is not offered", f"set it to {' or '.join(VERSIONS)}")
    warnings = []
    lowest = server.min_version
    if lowest in OLD_VERSIONS:
        warnings.append(f"min_version {lowest} is not offered, the lowest version is {LOWEST}")
        lowest = LOWEST
    if VERSIONS[lowest] > VERSIONS[server.max_version]:
        raise TlsError(
            ("max_version",), f"{server.max_version} is below min_version {lowest}", "raise it or lower min_version"
        )
    context.minimum_version, context.maximum_version = VERSIONS[lowest], VERSIONS[server.max_version]
    return warnings


def openssl_ciphers(names: Sequence[str]) -> list[str]:
    """OpenSSL's names for the ciphers of TLS 1.2 in a list of Go's or OpenSSL's names, without those of TLS 1.3.

    Raises:
        TlsError: OpenSSL does not know one of them.
    """
    found = []
    for number, name in enumerate(names):
        if name in CIPHERS_13:
            continue
        converted = CIPHERS_12.get(name, name)
        try:
            # Each alone: in a list, OpenSSL ignores unknown ones.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(converted)
        except (ssl.SSLError, ValueError):
            raise TlsError(
                ("cipher_suites", number),
                f"the cipher {name} is not known",
                f"use a name of Go, such as {REQUIRED_BY_HTTP2[0]}, or of OpenSSL",
            ) from None
        found.append(converted)
    return found


def check_http2_ciphers(names: Sequence[str]) -> None:
    """Check the list as Go does for HTTP/2, so that a file that works here works for exporters in Go.

    Lists with names of OpenSSL are for this exporter alone and are not checked.

    Raises:
        TlsError: Go would refuse the list.
    """
    if all(name in CIPHERS_12 or name in CIPHERS_13 for name in names) and not {*names} & {*REQUIRED_BY_HTTP2}:
        raise TlsError(
            ("cipher_suites",),
            "has no cipher that HTTP/2 requires, so other exporters refuse this file",
            f"add {REQUIRED_BY_HTTP2[0]}, or set http_server_config.http2: false",
        )


def _set_ciphers(context: ssl.SSLContext, server: TlsServer, *, http2: bool) -> list[str]:
    if not server.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    names = server.cipher_suites
    if not names:
        return []
    converted = openssl_ciphers(names)
    if http2 and context.minimum_version < VERSIONS[HIGHEST]:
        check_http2_ciphers(names)
    if converted:
        context.set_ciphers(":".join(converted))
        return []
    if context.maximum_version < VERSIONS[HIGHEST]:
        raise TlsError(("cipher_suites",), "has no cipher for TLS 1.2", "add one, or set max_version: TLS13")
    context.minimum_version = VERSIONS[HIGHEST]
    return []


def _set_curves(context: ssl.SSLContext, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    if (set_groups := getattr(context, "set_groups", None)) is not None:  # Python 3.15 and later
        set_groups(":".join(CURVES[name] for name in names))
        return []
    if len(names) == 1:
        context.set_ecdh_curve(CURVES[names[0]])
        return []
    return [_CURVES_IGNORED]


def _set_client_auth(context: ServerTls, server: TlsServer, folder: Path) -> list[str]:
    kind = ClientAuth(server.client_auth_type)
    authority = _pem(server, folder, "client_ca")
    if authority is not None:
        load_authority(context, authority)
    if kind is ClientAuth.NONE:
        return []
    context.verify_mode = ssl.CERT_REQUIRED if kind.requires else ssl.CERT_OPTIONAL
    context.allowed = frozenset(map(normal_name, server.client_allowed_sans))
    if not kind.verifies:
        try:
            accept_any_certificate(context)
        except AttributeError:
            raise TlsError(
                ("client_auth_type",),
                f"{kind} is not possible with this version of Python",
                f"set it to {ClientAuth.REQUIRE}",
            ) from None
        return [f"client_auth_type {kind} authenticates no client: anyone can make a certificate that it accepts"]
    if authority is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return [f"client_auth_type {kind} without client_ca_file trusts the authorities of the system"]
    return []
