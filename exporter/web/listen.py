"""Parses listen addresses in the format of Prometheus, or of a unix socket, and opens their sockets."""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.web.activation import ActivationError, passed_descriptors, passed_sockets
from exporter.web.unix_sockets import PREFIX, UnixAddress, UnixSocketError, listen_on

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")
_BACKLOG = 128
_HIGHEST_PORT = 65535


class ListenError(Exception):
    """Listening on an address failed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to listen on.

    Attributes:
        host: a name or address; "" for all IPv4 and IPv6 addresses of the machine.
        port: 0 for any free port.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Read ``:10097``, ``127.0.0.1:10097``, ``localhost:10097`` or ``[::1]:10097``.

        Raises:
            ValueError: the text has another format.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > _HIGHEST_PORT:
            raise ValueError(
                f"{text!r} is not a valid listen address; use :10097, 127.0.0.1:10097, [::1]:10097 or unix:/path"
            )
        return cls(match["six"] or match["host"] or "", int(match["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> ListenAddress | UnixAddress:
    """Read a TCP address, such as ``:10097``, or a unix socket, such as ``unix:/run/exporter.sock``.

    Raises:
        ValueError: the text has another format.
    """
    return UnixAddress.parse(text) if text.startswith(PREFIX) else ListenAddress.parse(text)


def open_listeners(
    texts: Sequence[str], environ: MutableMapping[str, str], *, explicit: bool, systemd: bool = False
) -> list[socket.socket]:
    """Open all listening sockets: those that systemd passes on, and those for addresses.

    Args:
        texts: the addresses.
        environ: the environment; the variables of systemd are removed from it.
        explicit: whether the addresses were given. If not, sockets from systemd take their place.
        systemd: whether there must be sockets from systemd.

    Raises:
        ValueError: an address has another format.
        ListenError: listening failed.
    """
    addresses = [parse_address(text) for text in texts]
    try:
        sockets = passed_sockets(passed_descriptors(environ, os.getpid()))
    except ActivationError as error:
        raise ListenError(str(error)) from None
    if systemd and not sockets:
        raise ListenError("systemd has passed on no sockets; start the socket unit, or remove --web.systemd-socket")
    if sockets and not explicit:
        return sockets
    try:
        for address in addresses:
            sockets += listen(address)
    except ListenError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def listen(address: ListenAddress | UnixAddress) -> list[socket.socket]:
    """Open the listening sockets for an address: one, or one for each address that a name resolves to.

    Raises:
        ListenError: the address is in use or not permitted, or does not belong to this machine.
    """
    if isinstance(address, UnixAddress):
        try:
            return [listen_on(address)]
        except UnixSocketError as error:
            raise ListenError(str(error)) from error
    if not address.host:
        return [_listen_everywhere(address)]
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ListenError(f"cannot listen on {address}: unknown host; use an address of this machine") from None
    sockets: list[socket.socket] = []
    try:
        for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found):
            port = sockets[0].getsockname()[1] if sockets else address.port
            sockets.append(_open(family, (place[0], port, *place[2:]), address))
    except ListenError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _listen_everywhere(address: ListenAddress) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return _open(socket.AF_INET6, ("::", address.port), address, both=True)
        except ListenError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno in {errno.EADDRINUSE, errno.EACCES}:
                raise
    # The machine has no IPv6.
    return _open(socket.AF_INET, ("0.0.0.0", address.port), address)  # noqa: S104 - the meaning of ":port"


def _open(family: int, place: tuple[object, ...], address: ListenAddress, *, both: bool = False) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Otherwise the headers of a response wait 40 ms for the body: asyncio sets the option
        # only for sockets whose protocol number is TCP.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        opened.bind(place)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise ListenError(f"cannot listen on {address}: {_why(error)}") from error
    return opened


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; stop the process that uses it or choose another port with --web.listen-address"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 need privileges, choose a higher one with --web.listen-address"
    if error.errno == errno.EADDRNOTAVAIL:
        return "not an address of this machine; use one of its addresses, or :port for all"
    return os.strerror(error.errno or 0)


def address_of(opened: socket.socket) -> str:
    """The URL of a listening socket for a browser on this machine; for a unix socket, its path."""
    if opened.family == socket.AF_UNIX:
        return f"{PREFIX}{opened.getsockname()}"
    host, port = opened.getsockname()[:2]
    if host in {"::", "0.0.0.0"}:  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
