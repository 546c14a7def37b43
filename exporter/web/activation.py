"""Listening sockets that systemd has opened and passes on (sd_listen_fds)."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST = 3
"""The first descriptor that systemd passes on."""
_MOST = 64
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class ActivationError(Exception):
    """A descriptor that systemd has passed on cannot be used; the message says why and what to do."""


def passed_descriptors(environ: MutableMapping[str, str], pid: int) -> range:
    """The descriptors that systemd has passed on to this process.

    The variables are removed, so that child processes do not take the sockets for theirs.

    Args:
        environ: the environment.
        pid: the id of this process.
    """
    of_process, count = environ.get("LISTEN_PID", ""), environ.get("LISTEN_FDS", "")
    for name in _VARIABLES:
        environ.pop(name, None)
    if not of_process.isdecimal() or not count.isdecimal() or int(of_process) != pid:
        return range(0)
    return range(FIRST, FIRST + min(int(count), _MOST))


def passed_sockets(descriptors: range) -> list[socket.socket]:
    """The listening sockets behind descriptors.

    Raises:
        ActivationError: one of them is not a listening stream socket.
    """
    return [_listening(number) for number in descriptors]


def _listening(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        opened = socket.socket(fileno=number)
        listens = opened.type == socket.SOCK_STREAM and opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ActivationError(
            f"descriptor {number} from systemd is not a socket: {error.strerror}; set ListenStream= in the socket unit"
        ) from None
    if not listens:
        opened.close()
        raise ActivationError(
            f"descriptor {number} from systemd is not a listening stream socket; "
            "set ListenStream= and Accept=no in the socket unit"
        )
    if opened.family in {socket.AF_INET, socket.AF_INET6}:
        # As for the sockets that the exporter opens itself.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened
