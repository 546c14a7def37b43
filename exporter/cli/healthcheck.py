"""healthcheck: whether an exporter on this machine is healthy, for container runtimes."""

import os
from typing import Annotated, Final

import typer

from exporter.cli.exit_codes import REFUSED
from exporter.cli.help import examples
from exporter.cli.options import DEFAULT_ADDRESS, ListenAddresses, WebConfigFile, env
from exporter.cli.setup import refuse
from exporter.cli.terminal import Terminal

EXAMPLES: Final = examples(
    "healthcheck",
    "healthcheck --ready --timeout 5",
    "healthcheck --web.listen-address unix:/run/yunxiao-token-exporter/web.sock",
)


def healthcheck(
    context: typer.Context,
    listen_addresses: ListenAddresses = [DEFAULT_ADDRESS],  # noqa: B006 - Typer copies it
    web_config_file: WebConfigFile = None,
    *,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready",
            envvar=env("HEALTHCHECK_READY"),
            help="Also check that all users have been polled once, or restored.",
        ),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            envvar=env("HEALTHCHECK_TIMEOUT"),
            metavar="SECONDS",
            min=0.1,
            help="Time limit of the check. Default: 3.",
        ),
    ] = None,
) -> None:
    """Exit with 0 if the exporter on this machine is healthy, otherwise with 1.

    In a container, the address and the web configuration are those of its main process. An exporter that asks for a
    password counts as healthy if it answers; with serve --web.open-health, it says more.
    """
    from exporter.web.healthcheck import DEFAULT_TIMEOUT, Target, TargetError, check, target_of_main_process

    terminal = Terminal.of(context)
    target = Target(listen_addresses[0], web_config_file) if _given(context) else target_of_main_process(os.environ)
    try:
        health = check(target, ready=ready, timeout=timeout or DEFAULT_TIMEOUT)
    except TargetError as error:
        refuse(terminal, str(error))
    terminal.out(health.line)
    if not health.fine:
        raise typer.Exit(REFUSED)


def _given(context: typer.Context) -> bool:
    """Whether flags say what to check."""
    return any(
        getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        for name in ("listen_addresses", "web_config_file")
    )
