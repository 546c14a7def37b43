"""events: what changed, from a running exporter or its state file."""

from pathlib import Path
from typing import Annotated, Final

import typer

from exporter.cli.exit_codes import INCOMPLETE
from exporter.cli.help import examples
from exporter.cli.options import FILE_HELP, ByteOrderMark, Organizations, Users, env, output_file_option
from exporter.cli.output import Destination, chosen_format
from exporter.cli.setup import refuse
from exporter.cli.source import AuthFile, CaFile, CertFile, From, KeyFile, source_of, tls_of
from exporter.cli.terminal import OutputError, Terminal
from exporter.model.event import Change
from exporter.report.formats import LIST_SUFFIXES, Output

EXAMPLES: Final = examples(
    "events --from http://localhost:10097",
    "events --from http://localhost:10097 --change permissions_widened --top 20",
    "events --from /var/lib/yunxiao-token-exporter/state.db --user li.wei --output-file events.xlsx",
)
_FORMATS = (Output.TABLE, Output.JSON, Output.CSV, Output.XLSX)


def events(
    context: typer.Context,
    source: From = None,
    changes: Annotated[
        list[Change] | None,
        typer.Option("--change", envvar=env("CHANGE"), help="Only this kind of event.", show_default=False),
    ] = None,
    users: Users = None,
    organizations: Organizations = None,
    top: Annotated[
        int | None, typer.Option("--top", envvar=env("TOP"), min=1, metavar="N", help="Only the latest N events.")
    ] = None,
    output: Annotated[
        Output | None,
        typer.Option(
            "--output",
            "-o",
            envvar=env("EVENTS_OUTPUT"),
            metavar="|".join(_FORMATS),
            help="Format of the list. Default: a table.",
        ),
    ] = None,
    output_file: Annotated[Path | None, output_file_option("EVENTS_OUTPUT_FILE", FILE_HELP)] = None,
    bom: ByteOrderMark = None,
    auth_file: AuthFile = None,
    ca_file: CaFile = None,
    cert_file: CertFile = None,
    key_file: KeyFile = None,
) -> None:
    """List what happened to tokens, the latest first, as a running exporter or its state file knows it.

    Exit code 0: the events were listed. 2: the source cannot be read, or the list cannot be written.
    """
    from exporter.app.sources import SourceError, events_of
    from exporter.common.clock import SystemClock
    from exporter.report.event_list import EventFilter, event_document

    terminal = Terminal.of(context)
    if source is None:
        raise typer.BadParameter("is missing; name a running exporter or its state file", param_hint="--from")
    form = chosen_format(output, output_file, LIST_SUFFIXES, Output.TABLE)
    if form not in _FORMATS:
        raise typer.BadParameter(
            f"events have no format {form}; use one of {', '.join(_FORMATS)}", param_hint="--output"
        )
    destination = Destination.of(output_file, bom=bom)
    if form is Output.XLSX:
        destination.refuse_a_terminal("xlsx", "events.xlsx")
    wanted = EventFilter(tuple(users or ()), tuple(organizations or ()), tuple(one.value for one in changes or ()))
    try:
        tls = tls_of(terminal, ca_file, cert_file, key_file)
        found = events_of(source_of(terminal, source, auth_file, tls), SystemClock())
    except SourceError as error:
        refuse(terminal, f"--from: {error}", INCOMPLETE)
    listed = [one for one in found if wanted.fits(one)][:top]
    try:
        destination.write(terminal, event_document(listed, form))
    except OutputError as error:
        refuse(terminal, f"the list cannot be written: {error}", INCOMPLETE)
