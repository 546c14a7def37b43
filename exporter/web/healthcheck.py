"""Asks an exporter on this machine whether it is healthy or ready, whatever address, TLS and path it was given.

`python -m exporter.web.healthcheck` is for container runtimes, which run it every few seconds: it needs a fifth of
the processor time of the command `healthcheck`.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.web.listen import ListenAddress, parse_address
from exporter.web.unix_sockets import UnixAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_TIMEOUT: Final = 3.0
"""Seconds for a check."""
MAIN_PROCESS: Final = Path("/proc/1/cmdline")
"""The command line of a container's main process."""
_PROGRAM = "yunxiao-token-exporter"
_SERVERS = frozenset({"serve", "demo"})
_DEFAULT_ADDRESS = ":10097"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LOCATION = re.compile(rb"^location: *(/\S*)", re.IGNORECASE | re.MULTILINE)
_CERTIFICATE_REFUSED = re.compile("_ALERT_(?:HANDSHAKE_FAILURE|.*CERTIFICATE)")
"""OpenSSL's names for the alerts of a server that requires a client certificate."""
_LARGEST_FILE = 16 * 1024 * 1024
_LARGEST = 64 * 1024
"""Bytes of an answer that are read."""
_SHOWN = 200
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_FINE, _UNAUTHORIZED, _NOT_FOUND, _TOO_MANY = 200, 401, 404, 429


class TargetError(Exception):
    """Where and how the exporter listens cannot be found out; the message says why."""


class _CertificateWantedError(Exception):
    """The exporter speaks with clients only that have a certificate."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to check.

    Attributes:
        address: where the exporter listens, as its flag says it.
        web_config: the file of its web configuration, or None.
    """

    address: str = _DEFAULT_ADDRESS
    web_config: Path | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """What a client needs to get an answer.

    Attributes:
        tls: whether the exporter serves HTTPS.
        client_certificate: whether it refuses clients without a certificate.
    """

    tls: bool = False
    client_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a check.

    Attributes:
        fine: whether the exporter is healthy, or ready if that was asked.
        line: the same in words.
    """

    fine: bool
    line: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the exporter.

    Attributes:
        status: the HTTP status.
        location: the path of a redirect, or None.
        text: the first line of the body.
    """

    status: int
    location: str | None
    text: str


def server_arguments(command_line: bytes) -> list[str] | None:
    """The flags in an exporter's command line, as the kernel shows it; None for another program."""
    words = command_line.decode("utf-8", "surrogateescape").split("\0")[:-1]
    for place, word in enumerate(words[1:], 1):
        named = Path(words[place - 1]).name == _PROGRAM or words[max(0, place - 2) : place] == ["-m", "exporter"]
        if word in _SERVERS and named:
            return words[place + 1 :]
    return None


def target_of(arguments: Sequence[str], environ: Mapping[str, str]) -> Target:
    """Where and how an exporter with these flags and this environment listens."""
    address = (
        _value("--web.listen-address", arguments)
        or environ.get("YUNXIAO_TOKEN_EXPORTER_WEB_LISTEN_ADDRESS", "").partition(" ")[0]
    )
    file = _value("--web.config.file", arguments) or environ.get("YUNXIAO_TOKEN_EXPORTER_WEB_CONFIG_FILE")
    return Target(address or _DEFAULT_ADDRESS, Path(file) if file else None)


def _value(flag: str, arguments: Sequence[str]) -> str | None:
    """The first value of a flag."""
    for place, argument in enumerate(arguments):
        if argument == flag:
            return arguments[place + 1] if place + 1 < len(arguments) else None
        if argument.startswith(f"{flag}="):
            return argument.removeprefix(f"{flag}=")
    return None


def target_of_main_process(environ: Mapping[str, str]) -> Target:
    """The main process of the container if that is the exporter; otherwise what the environment says."""
    try:
        arguments = server_arguments(MAIN_PROCESS.read_bytes())
    except OSError:
        arguments = None
    return target_of(arguments or [], environ)


def protection_of(web_config: Path | None) -> Protection:
    """What a web configuration asks of clients.

    Raises:
        TargetError: it cannot be read.
    """
    if web_config is None:
        return Protection()
    # Imported here, since most exporters have no such file.
    import yaml  # noqa: PLC0415

    from exporter.common.files import FileError, read_regular_file  # noqa: PLC0415

    try:
        content: Any = yaml.safe_load(read_regular_file(web_config, _LARGEST_FILE).decode())
    except FileError as error:
        raise TargetError(f"{web_config} {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise TargetError(f"{web_config} is not valid YAML") from None
    tls = content.get("tls_server_config") if isinstance(content, dict) else None
    if not isinstance(tls, dict) or not tls:
        return Protection()
    return Protection(tls=True, client_certificate=str(tls.get("client_auth_type", "")).startswith("Require"))


def check(target: Target, *, ready: bool, timeout: float) -> Health:
    """Ask an exporter.

    Args:
        target: where and how it listens.
        ready: whether to ask for readiness, which includes health.
        timeout: seconds for everything.

    Raises:
        TargetError: the address is not valid.
    """
    try:
        address = parse_address(target.address)
    except ValueError as error:
        raise TargetError(str(error)) from None
    deadline = time.monotonic() + timeout
    protections, problem = _protections(target.web_config)
    line = ""
    try:
        for protection in protections:
            try:
                return judged(_answer(address, protection, ready=ready, deadline=deadline), ready=ready)
            except TimeoutError:
                raise
            except (OSError, ValueError) as error:
                line = line or f"no answer from {address}: {getattr(error, 'strerror', None) or error}"
    except _CertificateWantedError:
        return _unseen("asks for a client certificate", "use a probe that has one", ready=ready)
    except TimeoutError:
        line = f"no answer within {timeout:g} s"
    return Health(fine=False, line=f"{line}; {problem}" if problem else line)


def _protections(web_config: Path | None) -> tuple[list[Protection], str]:
    """What to try one after the other, and what is wrong with the web configuration.

    The file may not be what is in effect: the exporter keeps the last valid one, and turns TLS neither on nor off.
    """
    if web_config is None:
        return [Protection()], ""
    try:
        first = protection_of(web_config)
    except TargetError as error:
        return [Protection(tls=True), Protection()], str(error)
    return [first, Protection(tls=not first.tls)], ""


def _answer(address: ListenAddress | UnixAddress, protection: Protection, *, ready: bool, deadline: float) -> Answer:
    path = "/-/ready" if ready else "/-/healthy"
    answer = _ask(address, protection, path, deadline)
    if answer.status == _NOT_FOUND:
        # Below a route prefix, to which / redirects.
        prefix = _ask(address, protection, "/", deadline).location
        if prefix is not None:
            answer = _ask(address, protection, f"{prefix.rstrip('/')}{path}", deadline)
    return answer


def judged(answer: Answer, *, ready: bool) -> Health:
    """What an answer of a health endpoint means."""
    if answer.status == _FINE:
        return Health(fine=True, line="ready" if ready else "healthy")
    if answer.status == _UNAUTHORIZED:
        return _unseen("asks for a password", "start it with --web.open-health", ready=ready)
    if answer.status == _TOO_MANY:
        return _unseen("has reached its rate limit", "start it with --web.open-health", ready=ready)
    return Health(fine=False, line=f"status {answer.status}: {answer.text}")


def _unseen(why: str, remedy: str, *, ready: bool) -> Health:
    """An exporter that answers is alive, but whether it is ready is not known."""
    return Health(fine=not ready, line=f"the exporter answers, but {why}; for a full check, {remedy}")


def _ask(address: ListenAddress | UnixAddress, protection: Protection, path: str, deadline: float) -> Answer:
    with _connected(address, deadline) as plain:
        try:
            with _secured(plain) if protection.tls else plain as link:
                # HTTP/1.0, so that the answer ends with the connection.
                link.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                return parsed(b"".join(_received(link, deadline)))
        except (ssl.SSLError, ConnectionError) as error:
            # Without TLS 1.3, the alert says only that the handshake has failed.
            refused = _CERTIFICATE_REFUSED.search(getattr(error, "reason", None) or "")
            if (protection.client_certificate or refused) and not isinstance(error, TimeoutError):
                raise _CertificateWantedError from None
            raise


def _connected(address: ListenAddress | UnixAddress, deadline: float) -> socket.socket:
    if isinstance(address, UnixAddress):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(_left(deadline))
        try:
            link.connect(str(address.path))
        except OSError:
            link.close()
            raise
        return link
    host = _EVERYWHERE.get(address.host, address.host)
    return socket.create_connection((host, address.port), timeout=_left(deadline))


def _secured(plain: socket.socket) -> ssl.SSLSocket:
    """TLS without a check of the certificate: it names another host, and nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _received(link: socket.socket, deadline: float) -> Iterator[bytes]:
    size = 0
    while size < _LARGEST:
        link.settimeout(_left(deadline))
        part = link.recv(_LARGEST)
        if not part:
            return
        size += len(part)
        yield part


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def parsed(received: bytes) -> Answer:
    """Read an answer.

    Raises:
        ValueError: it is not HTTP.
    """
    head, _, body = received.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None:
        raise ValueError("what it sends is not HTTP; if it serves HTTPS, name its --web.config.file")
    location = _LOCATION.search(head)
    text = body.decode("utf-8", "replace").partition("\n")[0].strip()[:_SHOWN]
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return Answer(int(status[1]), None if location is None else location[1].decode("ascii", "replace"), text)


def main() -> None:
    """Check the exporter of this container, and exit with 0 or 1. `--ready` is the only argument."""
    try:
        health = check(target_of_main_process(os.environ), ready="--ready" in sys.argv[1:], timeout=DEFAULT_TIMEOUT)
    except TargetError as error:
        health = Health(fine=False, line=str(error))
    sys.stdout.write(f"{health.line}\n")
    sys.exit(not health.fine)


if __name__ == "__main__":
    main()
