"""report: one sweep, and an audit of all tokens on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from exporter.cli.exit_codes import INCOMPLETE
from exporter.cli.help import examples
from exporter.cli.options import (
    FILE_HELP,
    AllowFailed,
    ByteOrderMark,
    ConfigFile,
    LogFormat,
    LogLevel,
    Organizations,
    Owners,
    Users,
    env,
    output_file_option,
)
from exporter.cli.output import Destination, chosen_format
from exporter.cli.setup import load_settings, optional_policies, refuse, set_up_logs
from exporter.cli.source import AuthFile, CaFile, CertFile, From, KeyFile, read_outcome, source_of, tls_of
from exporter.cli.sweep import exit_code, report_failures, sweep_with_progress
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.log_options import Format, Level
from exporter.report.formats import REPORT_SUFFIXES, Form, Language

if TYPE_CHECKING:
    from exporter.report.comparison import EarlierReport

_LARGEST_REPORT = 1024**3
EXAMPLES: Final = examples(
    "report --output-file report.html",
    "report --output-file report.xlsx --language zh",
    "report --output-file today.json",
    "report --output-file report.html --compare last-month.json",
    "report --from http://localhost:10097 --output-file report.html",
    "report --output markdown --organization acme",
)


def report(
    context: typer.Context,
    config_file: ConfigFile,
    output: Annotated[
        Form | None,
        typer.Option("--output", "-o", envvar=env("REPORT_OUTPUT"), help="Format of the report. Default: HTML."),
    ] = None,
    output_file: Annotated[Path | None, output_file_option("REPORT_OUTPUT_FILE", FILE_HELP)] = None,
    compare_file: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            envvar=env("REPORT_COMPARE"),
            metavar="FILE",
            help="An earlier report in the format json: show what was fixed and what is new since.",
        ),
    ] = None,
    language: Annotated[
        Language,
        typer.Option(
            "--language",
            envvar=env("REPORT_LANGUAGE"),
            help="Language of HTML, Markdown and XLSX; CSV and JSON are the same in each.",
        ),
    ] = Language.EN,
    users: Users = None,
    organizations: Organizations = None,
    owners: Owners = None,
    allow_failed: AllowFailed = 0,
    bom: ByteOrderMark = None,
    source: From = None,
    auth_file: AuthFile = None,
    ca_file: CaFile = None,
    cert_file: CertFile = None,
    key_file: KeyFile = None,
    log_level: LogLevel = Level.ERROR,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Sweep once, or ask a running exporter, and write an audit.

    It has totals, broken policies and what to do about them, expiries, permissions, and exemptions.

    Exit code 0: the report was written. 1: the report to compare with cannot be read. 2: the sweep could not begin,
    no user could be polled, or the report could not be written. 3: some users could not be polled, as the report says.
    """
    from exporter.common.clock import SystemClock
    from exporter.report.comparison import compare
    from exporter.report.filters import TokenFilter, users_only
    from exporter.report.render import report_document
    from exporter.report.summary import summarize

    terminal = Terminal.of(context)
    form = chosen_format(output, output_file, REPORT_SUFFIXES, Form.HTML)
    destination = Destination.of(output_file, bom=bom)
    if form in {Form.HTML, Form.XLSX}:
        destination.refuse_a_terminal(form.value, f"report.{form.value}")
    wanted = TokenFilter(tuple(users or ()), tuple(organizations or ()), owners=tuple(owners or ()))
    if compare_file is not None and wanted.selects_users:
        raise typer.BadParameter(
            "compares whole reports; leave out --user, --organization and --owner", param_hint="--compare"
        )
    set_up_logs(terminal, log_level, log_format)
    settings = load_settings(terminal, config_file, INCOMPLETE) if source is None else None
    if settings is not None:
        policies = settings.config.policies
    else:
        policies = optional_policies(terminal, config_file, INCOMPLETE)
    old = None if compare_file is None else _earlier(terminal, compare_file)
    clock = SystemClock()
    if settings is not None:
        outcome = sweep_with_progress(terminal, settings, clock)
    else:
        tls = tls_of(terminal, ca_file, cert_file, key_file)
        outcome = read_outcome(terminal, source_of(terminal, source or "", auth_file, tls), clock)
    view = users_only(outcome.view, wanted)
    summary = summarize(view, policies, clock.now(), outcome.failures)
    comparison = None if old is None else compare(old, summary)
    try:
        destination.write(terminal, report_document(summary, form, language, comparison))
    except OutputError as error:
        refuse(terminal, f"the report cannot be written: {error}", INCOMPLETE)
    report_failures(terminal, outcome)
    raise typer.Exit(exit_code(outcome, allow_failed))


def _earlier(terminal: Terminal, file: Path) -> "EarlierReport":
    """The report to compare with; read before any request is sent."""
    from exporter.common.files import FileError, read_regular_file
    from exporter.report.comparison import InvalidReportError, parse_report

    try:
        return parse_report(read_regular_file(file, _LARGEST_REPORT))
    except (FileError, InvalidReportError) as error:
        refuse(terminal, f"--compare: {file}: {error}")
