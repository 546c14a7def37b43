"""init: writes a first configuration, from answers or flags, after it has been tried."""

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from exporter.cli.help import examples
from exporter.cli.options import env, is_there
from exporter.cli.output import Destination
from exporter.cli.setup import refuse, set_up_logs
from exporter.cli.terminal import Terminal
from exporter.common.log_options import Format, Level
from exporter.common.text import printable
from exporter.report.formats import Text

if TYPE_CHECKING:
    from exporter.config.settings import Settings

EXAMPLES: Final = examples(
    "init",
    "init --endpoint https://acme.rdc.aliyuncs.com --token-file /run/secrets/yunxiao-token",
    "init --endpoint https://acme.rdc.aliyuncs.com --token-file token --organization-id 60de7a6852743a5162b5f957",
)


def init(
    context: typer.Context,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            envvar=env("INIT_ENDPOINT"),
            metavar="URL",
            help="Address of the platform, such as https://acme.rdc.aliyuncs.com.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar=env("INIT_TOKEN_FILE"),
            metavar="FILE",
            help="File that contains only the token of an enterprise administrator.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            envvar=env("INIT_NAME"),
            metavar="NAME",
            help="Name of the organization, label organization. Default: the first part of the endpoint's host.",
        ),
    ] = None,
    organization_id: Annotated[
        str | None,
        typer.Option(
            "--organization-id",
            envvar=env("INIT_ORGANIZATION_ID"),
            metavar="ID",
            help="Watch the members of this organization. Default: all users of the enterprise.",
        ),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option(
            "--user",
            envvar=env("INIT_USER"),
            metavar="ID",
            help="Watch only this user. May be given several times.",
            show_default=False,
        ),
    ] = None,
    output_file: Annotated[
        Path,
        typer.Option(
            "--output-file", envvar=env("INIT_OUTPUT_FILE"), metavar="FILE", help="File to write; - is stdout."
        ),
    ] = Path("config.yaml"),
    *,
    probes: Annotated[
        bool,
        typer.Option(
            "--probe/--no-probe",
            envvar=env("INIT_PROBE"),
            help="Whether to ask the platform before the file is written.",
        ),
    ] = True,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            envvar=env("INIT_FORCE"),
            help="Replace an existing file, and write it even if the platform refuses.",
        ),
    ] = False,
) -> None:
    """Write a first configuration with comments. What no flag says is asked for.

    The configuration is tried before it is written: the token's owner and expiry, and the users that are found.

    Exit code 0: the file was written. 1: it was not, because it exists, the answers are not valid, or the platform
    refuses.
    """
    from exporter.config.first_config import FirstAnswers, first_config, suggested_name

    terminal = Terminal.of(context)
    to_stdout = output_file == Path("-")
    if not to_stdout and os.path.exists(output_file) and not force:  # noqa: PTH110 - no error without access
        refuse(terminal, f"{output_file} exists; choose another --output-file, or replace it with --force")
    asks = sys.stdin is not None and sys.stdin.isatty()
    endpoint = endpoint or _asked("Address of the platform (https://...)", "--endpoint", asks=asks)
    token_file = token_file or Path(
        _asked("File with the administrator's token", "--token-file", asks=asks, default="token")
    )
    if not is_there(token_file):
        _store_token(terminal, token_file, asks=asks)
    if name is None and asks:
        name = typer.prompt("Name of the organization", default=suggested_name(endpoint), err=True)
    answers = FirstAnswers(
        endpoint.strip(),
        _as_the_file_names_it(token_file, Path() if to_stdout else output_file.parent),
        name or "",
        organization_id,
        tuple(users or ()),
    )
    text = first_config(answers)
    settings = _checked(terminal, text, output_file)
    if probes and not _probed(terminal, settings) and not force:
        again = "correct the answers, or write it as it is with --no-probe"
        refuse(terminal, f"the configuration was not written; {again}")
    Destination.of(output_file, shared=True).write(terminal, Text(lambda stream: stream.write(text)))
    if not to_stdout:
        terminal.out(f"{output_file}: written. Next: yunxiao-token-exporter serve --config.file {output_file}")


def _asked(question: str, flag: str, *, asks: bool, default: str | None = None) -> str:
    if not asks:
        raise typer.BadParameter("is missing, and there is no terminal to ask on", param_hint=flag)
    answer: str = typer.prompt(question, default=default, err=True)
    return answer


def _store_token(terminal: Terminal, file: Path, *, asks: bool) -> None:
    """Ask for the token and write it into its file, which only its owner can read."""
    from exporter.report.files import replace_file

    if not asks:
        refuse(terminal, f"--token-file: {file} does not exist; write the token of an enterprise administrator into it")
    try:
        token = getpass.getpass(f"Token, to be written into {printable(str(file))} (not shown): ")
    except (EOFError, KeyboardInterrupt):
        raise typer.Abort from None
    terminal.redactor.add(token.strip())
    try:
        replace_file(file, f"{token.strip()}\n")
    except OSError as error:
        refuse(terminal, f"--token-file: {file} cannot be written: {error.strerror}")


def _as_the_file_names_it(token_file: Path, folder: Path) -> str:
    """The path of the token file relative to the configuration, if it is in the same folder or below."""
    try:
        return str(token_file.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(token_file.resolve())


def _checked(terminal: Terminal, text: str, file: Path) -> "Settings":
    from exporter.config.document import parse_yaml
    from exporter.config.errors import ConfigError
    from exporter.config.load import load_document

    try:
        return load_document(parse_yaml(text, str(file)), file.parent, os.environ, terminal.redactor)
    except ConfigError as error:
        refuse(terminal, str(error.cleaned(terminal.redactor)))


def _probed(terminal: Terminal, settings: "Settings") -> bool:
    """Whether the platform answers; what it answers is printed."""
    from exporter.app.probe import Verdict, probe
    from exporter.common.clock import SystemClock

    set_up_logs(terminal, Level.ERROR, Format.LOGFMT)
    works = True
    for finding in probe(settings, SystemClock()):
        works = works and finding.verdict is not Verdict.FAILED
        terminal.err(f"{'warning: ' if finding.verdict is Verdict.WARNING else ''}{finding.text}")
    return works
