"""report: one sweep, and an audit of all tokens on one page."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.cli.exit_codes import SWEEP_FAILED
from exporter.cli.options import ConfigFile, LogFormat, LogLevel, env
from exporter.cli.setup import load_settings, refuse, set_up_logs
from exporter.cli.sweep import report_failures, sweep_with_progress
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.log_options import Format, Level
from exporter.report.formats import Form


def report(
    context: typer.Context,
    config_file: ConfigFile,
    output: Annotated[
        Form, typer.Option("--output", "-o", envvar=env("REPORT_OUTPUT"), help="Format of the report.")
    ] = Form.HTML,
    output_file: Annotated[
        Path | None,
        typer.Option("--output-file", envvar=env("REPORT_OUTPUT_FILE"), help="File to write; stdout without it."),
    ] = None,
    log_level: LogLevel = Level.ERROR,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Sweep once and write an audit on one page: totals, broken policies, expiries, oldest and most permissions.

    Exit code 0: the report was written. 2: the sweep failed, in part or completely, as the report then says, or the
    report could not be written.
    """
    from exporter.common.clock import SystemClock
    from exporter.report.files import replace_file
    from exporter.report.render import render
    from exporter.report.summary import summarize

    terminal = Terminal.of(context)
    set_up_logs(terminal, log_level, log_format)
    settings = load_settings(terminal, config_file, SWEEP_FAILED)
    clock = SystemClock()
    outcome = sweep_with_progress(terminal, settings, clock)
    summary = summarize(outcome.view, settings.config.policies, clock.now(), outcome.failures)
    text = render(summary, output)
    try:
        if output_file is None:
            terminal.document(lambda stream: stream.write(text))
        else:
            replace_file(output_file, terminal.redactor.clean(text))
    except OutputError as error:
        refuse(terminal, f"the report cannot be written: {error}", SWEEP_FAILED)
    except OSError as error:
        refuse(terminal, f"the report cannot be written: {output_file}: {error.strerror}", SWEEP_FAILED)
    report_failures(terminal, outcome)
