"""Client certificates in files that are replaced, and servers that require them."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import trustme

from exporter.common.live_tls import LiveTls, TlsFiles

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from exporter.common.clock import Clock


class ClientFiles:
    """A folder with `ca.pem`, which has issued the servers' certificates, `cert.pem` and `key.pem`."""

    def __init__(self, folder: Path, authority: trustme.CA | None = None) -> None:
        self.folder = folder
        self.authority = authority or trustme.CA()
        self.files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        self.put("ca.pem", self.authority.cert_pem.bytes())
        self.renew()

    def renew(self, authority: trustme.CA | None = None, not_after: dt.datetime | None = None) -> None:
        """Replace the certificate and its key."""
        issued = (authority or self.authority).issue_cert("exporter", not_after=not_after)
        self.put("key.pem", issued.private_key_pem.bytes())
        self.put("cert.pem", b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def put(self, name: str, content: bytes) -> None:
        """Replace one file in one step, as tools for certificates do."""
        (self.folder / "new").write_bytes(content)
        (self.folder / "new").rename(self.folder / name)

    def tls(self, clock: Clock | None = None) -> LiveTls:
        return LiveTls(self.files, clock=clock)

    def server(self) -> ssl.SSLContext:
        """The settings of a server that requires a client certificate of the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir() keeps one open
