"""Connections to Redis over TLS that use certificates as they are in their files when a connection is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.connection import Connection

    from exporter.common.live_tls import LiveTls


def over_tls(base: type[Connection], tls: LiveTls) -> type[Connection]:
    """A subclass of ``base`` that speaks TLS.

    The library's own class reads the files in each connection too, but would ask the terminal for the password of a
    key, and fails while a certificate and its key are being replaced.
    """

    class OverTls(base):  # type: ignore[misc, valid-type]
        def _connect(self) -> Any:
            connected = super()._connect()
            try:
                return tls.context.wrap_socket(connected, server_hostname=self.host)
            except BaseException:
                connected.close()
                raise

    return OverTls
