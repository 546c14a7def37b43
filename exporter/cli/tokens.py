"""tokens: one sweep, and the list of tokens."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

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
    Permissions,
    States,
    Users,
    env,
    output_file_option,
)
from exporter.cli.output import Destination, chosen_format
from exporter.cli.setup import load_policies, load_settings, refuse, set_up_logs
from exporter.cli.source import AuthFile, CaFile, CertFile, From, KeyFile, read_outcome, source_of, tls_of
from exporter.cli.sweep import exit_code, report_failures, sweep_with_progress
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.durations import parse_duration
from exporter.common.log_options import Format, Level
from exporter.report.formats import LIST_SUFFIXES, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.policies.base import Policy


EXAMPLES: Final = examples(
    "tokens --expires-within 14d",
    "tokens --expires-within 14d --ignore-expired --allow-failed 1",
    "tokens --policy never_expires max_lifetime --output json",
    "tokens --user 'li.*' --state active --columns user,token,expires,owner_email",
    "tokens --permission 'code_*' --output-file tokens.xlsx",
    "tokens --from http://localhost:10097 --owner '*@acme.com' --top 20",
    "tokens --output-file /var/lib/node_exporter/yunxiao.prom",
)


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


def _columns(text: str | None) -> tuple[str, ...]:
    from exporter.report.columns import VALUES

    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if unknown := [name for name in names if name not in VALUES]:
        raise typer.BadParameter(
            f"unknown: {', '.join(unknown)}; there are {', '.join(VALUES)}", param_hint="--columns"
        )
    return names


def tokens(
    context: typer.Context,
    config_file: ConfigFile,
    policies: Annotated[
        list[Any] | None,
        typer.Argument(
            metavar="POLICY", help="With --policy: only these policies.", show_default=False, parser=_policy
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
    users: Users = None,
    organizations: Organizations = None,
    permissions: Permissions = None,
    states: States = None,
    owners: Owners = None,
    top: Annotated[
        int | None,
        typer.Option("--top", envvar=env("TOP"), min=1, metavar="N", help="List only the first N tokens."),
    ] = None,
    allow_failed: AllowFailed = 0,
    wide: Annotated[
        bool,
        typer.Option(
            "--wide", envvar=env("WIDE"), help="Show all columns of the table in full, descriptions of tokens as well."
        ),
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            envvar=env("COLUMNS"),
            metavar="NAMES",
            help="Columns to show, separated by commas, such as user,token,expires,owner_email.",
        ),
    ] = None,
    output: Annotated[
        Output | None,
        typer.Option("--output", "-o", envvar=env("OUTPUT"), help="Format of the list. Default: a table."),
    ] = None,
    output_file: Annotated[Path | None, output_file_option("OUTPUT_FILE", FILE_HELP)] = None,
    bom: ByteOrderMark = None,
    source: From = None,
    auth_file: AuthFile = None,
    ca_file: CaFile = None,
    cert_file: CertFile = None,
    key_file: KeyFile = None,
    log_level: LogLevel = Level.ERROR,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Sweep once, or ask a running exporter, and list tokens, and SSH keys if they are watched, soonest expiry first.

    The table fits the terminal: columns that do not fit are left out, and long names end in an ellipsis. The format
    prometheus is for the textfile collector of node_exporter, ics for calendars.

    Exit code 0: no token expires within the window or breaks a policy. 1: at least one does. 2: the check could not
    begin, no user could be polled, or the list could not be written. 3: some users could not be polled, and the others
    have no such token.
    """
    from exporter.common.clock import SystemClock
    from exporter.policies.schema import Policies
    from exporter.report.filters import TokenFilter
    from exporter.report.listing import rows, violating_rows
    from exporter.report.writing import ListOptions, document

    terminal = Terminal.of(context)
    form = chosen_format(output, output_file, LIST_SUFFIXES, Output.TABLE)
    # A collector of another user reads metrics.
    destination = Destination.of(output_file, bom=bom, shared=form is Output.PROMETHEUS)
    if form is Output.XLSX:
        destination.refuse_a_terminal("xlsx", "tokens.xlsx")
    options = ListOptions(policy, wide, _columns(columns))
    set_up_logs(terminal, log_level, log_format)
    # Not 1, which would tell the caller that a token expires.
    settings = load_settings(terminal, config_file, INCOMPLETE) if source is None else None
    if settings is not None:
        rules = settings.config.policies
    else:
        # Only a check of policies needs them.
        rules = load_policies(terminal, config_file, INCOMPLETE) if policy else Policies()
    _check_policies(terminal, policies or [], rules.configured, wanted=policy)
    wanted = TokenFilter(
        users=tuple(users or ()),
        organizations=tuple(organizations or ()),
        permissions=tuple(permissions or ()),
        states=tuple(states or ()),
        owners=tuple(owners or ()),
        within=expires_within,
        expired=not ignore_expired,
    )
    clock = SystemClock()
    if settings is not None:
        outcome = sweep_with_progress(terminal, settings, clock)
    else:
        tls = tls_of(terminal, ca_file, cert_file, key_file)
        outcome = read_outcome(terminal, source_of(terminal, source or "", auth_file, tls), clock)
    now = clock.now()
    listed = rows(outcome.view, now, wanted)
    if policy:
        listed = violating_rows(listed, outcome.view, rules, policies or (), now)
    found = bool(listed) and (policy or expires_within is not None)
    try:
        destination.write(terminal, document(listed[:top], form, now, options, outcome.view))
    except OutputError as error:
        refuse(terminal, f"the list cannot be written: {error}", INCOMPLETE)
    report_failures(terminal, outcome)
    raise typer.Exit(exit_code(outcome, allow_failed, found=found))


def _check_policies(
    terminal: Terminal, names: "Sequence[type[Policy]]", configured: "Sequence[type[Policy]]", *, wanted: bool
) -> None:
    """Refuse a check that could find nothing, before any request is sent."""
    if names and not wanted:
        raise typer.BadParameter("names of policies go with --policy", param_hint="POLICY")
    if wanted and not configured:
        refuse(terminal, "--policy: the configuration has no policies; give it a section policies", INCOMPLETE)
    if missing := [name for name in names if name not in configured]:
        names_missing = ", ".join(one.name for one in missing)
        refuse(terminal, f"--policy: not in the section policies: {names_missing}", INCOMPLETE)
