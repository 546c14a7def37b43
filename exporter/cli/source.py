"""Where a command gets its data from: its own sweep, a running exporter, or a state file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exporter.cli.exit_codes import INCOMPLETE
from exporter.cli.options import env
from exporter.cli.setup import refuse

if TYPE_CHECKING:
    from exporter.app.once import Outcome
    from exporter.app.sources import Source
    from exporter.cli.terminal import Terminal
    from exporter.common.clock import Clock
    from exporter.common.live_tls import LiveTls

_LARGEST_SECRET = 4096

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        envvar=env("FROM"),
        metavar="URL|FILE",
        help="Ask a running exporter, such as http://localhost:10097, or read its state file, instead of the platform.",
    ),
]
AuthFile = Annotated[
    Path | None,
    typer.Option(
        "--from-auth-file",
        envvar=env("FROM_AUTH_FILE"),
        metavar="FILE",
        help="File that contains USER:PASSWORD for the running exporter.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--from-ca-file",
        envvar=env("FROM_CA_FILE"),
        metavar="FILE",
        help="PEM file of the certificate authorities to trust for the running exporter.",
    ),
]
CertFile = Annotated[
    Path | None,
    typer.Option(
        "--from-cert-file",
        envvar=env("FROM_CERT_FILE"),
        metavar="FILE",
        help="PEM file of a client certificate for the running exporter.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--from-key-file",
        envvar=env("FROM_KEY_FILE"),
        metavar="FILE",
        help="PEM file of its key, without a password.",
    ),
]


def tls_of(terminal: Terminal, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> LiveTls:
    """The certificates that flags name."""
    from exporter.common.certificates import TlsError
    from exporter.common.live_tls import LiveTls, TlsFiles

    if (cert_file is None) != (key_file is None):
        raise typer.BadParameter("--from-cert-file and --from-key-file require each other; set both or neither")
    tls = LiveTls(TlsFiles(ca_file, cert_file, key_file))
    if tls.has_files:
        try:
            tls.check()
        except TlsError as error:
            refuse(terminal, f"--from-{str(error.key[0]).replace('_', '-')}: {error}", INCOMPLETE)
    return tls


def source_of(terminal: Terminal, text: str, auth_file: Path | None, tls: LiveTls) -> Source:
    """The source that flags name."""
    from exporter.app.remote import RemoteTarget
    from exporter.common.files import FileError, read_regular_file
    from exporter.common.secrets import Secret

    if "://" not in text:
        return Path(text)
    if not text.startswith(("http://", "https://")) or "@" in text.partition("://")[2].partition("/")[0]:
        raise typer.BadParameter(
            "write http://host:port or https://host:port, without a user and password", param_hint="--from"
        )
    secret = None
    if auth_file is not None:
        try:
            content = read_regular_file(auth_file, _LARGEST_SECRET).decode("utf-8").rstrip("\r\n")
        except FileError as error:
            refuse(terminal, f"--from-auth-file: {auth_file}: {error}", INCOMPLETE)
        except UnicodeDecodeError:
            refuse(terminal, f"--from-auth-file: {auth_file}: is not UTF-8; save it as UTF-8", INCOMPLETE)
        user, colon, password = content.partition(":")
        if not colon or not user or not password or "\n" in content:
            refuse(terminal, f"--from-auth-file: {auth_file}: must be one line, USER:PASSWORD", INCOMPLETE)
        terminal.redactor.add(content)
        terminal.redactor.add(password)
        secret = Secret(content)
    return RemoteTarget(text.rstrip("/"), tls, secret)


def read_outcome(terminal: Terminal, source: Source, clock: Clock) -> Outcome:
    """What a source knows, or the reason why it does not answer, with `INCOMPLETE`."""
    from exporter.app.sources import SourceError, outcome_of

    try:
        return outcome_of(source, clock)
    except SourceError as error:
        refuse(terminal, f"--from: {error}", INCOMPLETE)
