"""check-config: whether a configuration is valid, with everything it refers to."""

from typing import Annotated, Final

import typer

from exporter.cli.exit_codes import REFUSED
from exporter.cli.help import examples
from exporter.cli.options import ConfigFile, env
from exporter.cli.setup import load_settings, set_up_logs
from exporter.cli.terminal import Terminal
from exporter.common.log_options import Format, Level

EXAMPLES: Final = examples("check-config", "check-config -c /etc/yunxiao-token-exporter/config.yaml --probe")


def check_config(
    context: typer.Context,
    config_file: ConfigFile,
    *,
    probes: Annotated[
        bool,
        typer.Option(
            "--probe",
            envvar=env("PROBE"),
            help="Send real requests, too: for each organization the token's owner and expiry, the users that "
            "discovery finds, the tokens of every listed user and of one discovered user, and, if SSH keys are "
            "watched, those of one user.",
        ),
    ] = False,
) -> None:
    """Check a configuration with all files and variables that it refers to. Exit code 0 if it is valid, 1 if not."""
    from exporter.common.clock import SystemClock

    terminal = Terminal.of(context)
    settings = load_settings(terminal, config_file)
    users = sum(len(one.users) for one in settings.organizations)
    found = sum(one.config.users.discover is not None for one in settings.organizations)
    more = f", more to be discovered in {found}" if found else ""
    terminal.out(f"{config_file}: valid; {len(settings.organizations)} organization(s), {users} user(s){more}")
    for warning in settings.warnings(SystemClock().now()):
        terminal.err(f"{config_file}: warning: {warning}")
    if not probes:
        return
    from exporter.app.probe import Verdict, probe

    set_up_logs(terminal, Level.ERROR, Format.LOGFMT)
    failed = False
    for finding in probe(settings, SystemClock()):
        failed = failed or finding.verdict is Verdict.FAILED
        warning = "warning: " if finding.verdict is Verdict.WARNING else ""
        (terminal.out if finding.verdict is Verdict.GOOD else terminal.err)(f"{warning}{finding.text}")
    if failed:
        raise typer.Exit(REFUSED)
