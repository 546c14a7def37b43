"""tokens: one sweep, and the list of tokens."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from exporter.cli.exit_codes import FOUND, SWEEP_FAILED
from exporter.cli.options import ConfigFile, LogFormat, LogLevel, env
from exporter.cli.setup import load_settings, refuse, set_up_logs
from exporter.cli.sweep import report_failures, sweep_with_progress
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.durations import parse_duration
from exporter.common.log_options import Format, Level
from exporter.report.formats import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.policies.base import Policy


def _policy(name: str) -> "type[Policy]":
    from exporter.policies.builtin import POLICIES

    found = next((one for one in POLICIES if one.name == name), None)
    if found is None:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(repr(one.name) for one in POLICIES)}.")
    return found


def _window(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def tokens(
    context: typer.Context,
    config_file: ConfigFile,
    policies: Annotated[
        list[Any] | None,
        typer.Argument(
            metavar="[POLICY]...",
            help="With --policy: only these policies.",
            show_default=False,
            parser=_policy,
        ),
    ] = None,
    expires_within: Annotated[
        float | None,
        typer.Option(
            "--expires-within",
            parser=_window,
            metavar="DURATION",
            envvar=env("EXPIRES_WITHIN"),
            help="List only tokens that expire within this time, such as 14d, or have expired, or whose expiry cannot "
            "be read; exit with 1 if there are any.",
        ),
    ] = None,
    *,
    ignore_expired: Annotated[
        bool,
        typer.Option("--ignore-expired", envvar=env("IGNORE_EXPIRED"), help="Leave out tokens that have expired."),
    ] = False,
    policy: Annotated[
        bool,
        typer.Option(
            "--policy",
            envvar=env("POLICY"),
            help="List only tokens that break a policy of the configuration, and which; exit with 1 if there are any.",
        ),
    ] = False,
    wide: Annotated[
        bool,
        typer.Option("--wide", envvar=env("WIDE"), help="Show the descriptions of tokens in the table as well."),
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", envvar=env("OUTPUT"), help="Format of the list.")
    ] = Output.TABLE,
    log_level: LogLevel = Level.ERROR,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Sweep once and list the tokens, and SSH keys if they are watched, soonest expiry first.

    Exit code 0: no token expires within the window or breaks a policy. 1: at least one does. 2: the sweep failed, in
    part or completely, or could not begin.
    """
    from exporter.common.clock import SystemClock
    from exporter.report.listing import rows, violating_rows, write

    terminal = Terminal.of(context)
    set_up_logs(terminal, log_level, log_format)
    # Not 1, which would tell the caller that a token expires.
    settings = load_settings(terminal, config_file, SWEEP_FAILED)
    rules = settings.config.policies
    _check_policies(terminal, policies or [], rules.configured, wanted=policy)
    clock = SystemClock()
    outcome = sweep_with_progress(terminal, settings, clock)
    now = clock.now()
    listed = rows(outcome.view, now, within=expires_within, expired=not ignore_expired)
    if policy:
        listed = violating_rows(listed, outcome.view, rules, policies or (), now)
    try:
        terminal.document(lambda stream: write(listed, output, now, stream, audit=policy, wide=wide))
    except OutputError as error:
        refuse(terminal, f"the list cannot be written: {error}", SWEEP_FAILED)
    report_failures(terminal, outcome)
    if (policy or expires_within is not None) and listed:
        raise typer.Exit(FOUND)


def _check_policies(
    terminal: Terminal, names: "Sequence[type[Policy]]", configured: "Sequence[type[Policy]]", *, wanted: bool
) -> None:
    """Refuse a check that could find nothing, before any request is sent."""
    if names and not wanted:
        raise typer.BadParameter("names of policies go with --policy", param_hint="POLICY")
    if wanted and not configured:
        refuse(terminal, "--policy: the configuration has no policies; give it a section policies", SWEEP_FAILED)
    if missing := [name for name in names if name not in configured]:
        names_missing = ", ".join(one.name for one in missing)
        refuse(terminal, f"--policy: not in the section policies: {names_missing}", SWEEP_FAILED)
