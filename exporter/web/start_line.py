"""The line that says at the start where the exporter listens and who may read."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from exporter.web.security import WebSecurity

UNPROTECTED = (
    "anyone who can reach this machine can read names and expiry of all tokens; set basic_auth_users or client "
    "certificates in --web.config.file, or listen on 127.0.0.1 only"
)


def start_line(addresses: Sequence[str | tuple[str, int]], security: WebSecurity) -> dict[str, str | None]:
    """The fields of the line. It is a warning if it has the field `warning`.

    Args:
        addresses: host and port, or path, of each listening socket.
        security: the web configuration.
    """
    scheme = "http" if security.tls is None else "https"
    return {
        "addresses": " ".join(address_text(one, scheme) for one in addresses),
        "web_config": "none" if security.file is None else str(security.file),
        "authentication": ", ".join(security.methods) or "none",
        "warning": UNPROTECTED if exposed(addresses) and not security.public and not security.methods else None,
    }


def exposed(addresses: Sequence[str | tuple[str, int]]) -> bool:
    """Whether one of the addresses is all interfaces of the machine."""
    return any(not isinstance(one, str) and ipaddress.ip_address(one[0]).is_unspecified for one in addresses)


def address_text(address: str | tuple[str, int], scheme: str) -> str:
    """An address as a URL: ``https://[::]:10097`` or ``unix:/run/exporter.sock``."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def addresses_of(sockets: Sequence[socket.socket]) -> list[str | tuple[str, int]]:
    """Host and port, or path, of each listening socket."""
    found: list[str | tuple[str, int]] = []
    for one in sockets:
        name = one.getsockname()
        # A name in the abstract namespace of Linux is in bytes, and begins with a NUL.
        text = name.decode(errors="replace").replace("\0", "@") if isinstance(name, bytes) else name
        found.append(text if isinstance(text, str) else (name[0].partition("%")[0], name[1]))
    return found
