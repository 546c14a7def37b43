"""check-config: whether a configuration is valid, with everything it refers to."""

from typing import Annotated, Final

import typer

from exporter.cli.exit_codes import REFUSED
from exporter.cli.help import examples
from exporter.cli.options import ConfigFile, WebConfigFile, env
from exporter.cli.setup import load_settings, set_up_logs, storage_warnings, web_security
from exporter.cli.terminal import Terminal
from exporter.common.log_options import Format, Level

EXAMPLES: Final = examples(
    "check-config",
    "check-config -c /etc/yunxiao-token-exporter/config.yaml --probe",
    "check-config --web.config.file web.yml",
)


def check_config(
    context: typer.Context,
    config_file: ConfigFile,
    web_config_file: WebConfigFile = None,
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
    """Check a configuration, and a web configuration, with all files and variables that they refer to.

    Exit code 0: valid. 1: invalid, or a request of --probe failed.
    """
    from exporter.common.clock import SystemClock

    terminal = Terminal.of(context)
    try:
        settings = load_settings(terminal, config_file)
    finally:
        # Whether or not the other one is valid, so that all errors are listed at once.
        security = web_security(terminal, web_config_file)
    users = sum(len(one.users) for one in settings.organizations)
    found = sum(one.config.users.discover is not None for one in settings.organizations)
    more = f", more to be discovered in {found}" if found else ""
    terminal.out(f"{config_file}: valid; {len(settings.organizations)} organization(s), {users} user(s){more}")
    for warning in (*settings.warnings(SystemClock().now()), *storage_warnings(settings.storage)):
        terminal.err(f"{config_file}: warning: {warning}")
    if web_config_file is not None:
        terminal.out(f"{web_config_file}: valid")
        for warning in security.warnings:
            terminal.err(f"{web_config_file}: warning: {warning}")
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
