"""The command line: flags and exit codes. A command imports what it needs when it runs, so that help comes at once."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from exporter import __version__
from exporter.cli import (
    check_config,
    completion,
    config_schema,
    dashboards,
    events,
    healthcheck,
    init,
    report,
    rules,
    serve,
    tokens,
)
from exporter.cli.exit_codes import CRASHED, REFUSED
from exporter.cli.help import Command, Group, examples
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.redaction import Redactor

SERVE_EXAMPLES: Final = examples(
    "serve",
    "serve -c /etc/yunxiao-token-exporter/config.yaml --web.listen-address 127.0.0.1:10097",
    "serve --web.config.file web.yaml --log.format json",
    "serve --shard 0/3",
)
DEMO_EXAMPLES: Final = examples("demo", "demo --users 1000 --seed 7 --no-lively --web.listen-address 127.0.0.1:10097")
RULES_EXAMPLES: Final = examples("rules > rules.yaml", "rules -c config.yaml > rules.yaml")

app = typer.Typer(
    cls=Group,
    name="yunxiao-token-exporter",
    help="Prometheus exporter for the personal access tokens of a Yunxiao / Lingma enterprise.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks can show local variables, secrets among them.
    pretty_exceptions_enable=False,
    # Plain help: the boxes cut the names of environment variables short, and Rich takes long to import.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        Terminal.of(context).out(f"yunxiao-token-exporter {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


# In the order in which help lists them.
_COMMANDS: tuple[tuple[str, Callable[..., object], str, str], ...] = (
    ("init", init.init, "Write a first configuration.", init.EXAMPLES),
    ("serve", serve.serve, "Run the exporter.", SERVE_EXAMPLES),
    ("demo", serve.demo, "Run the exporter against a simulated enterprise.", DEMO_EXAMPLES),
    ("check-config", check_config.check_config, "Check a configuration.", check_config.EXAMPLES),
    (
        "config-schema",
        config_schema.config_schema,
        "Print the JSON Schema of the configuration.",
        config_schema.EXAMPLES,
    ),
    ("tokens", tokens.tokens, "List the tokens, or check them in CI.", tokens.EXAMPLES),
    ("report", report.report, "Write an audit report.", report.EXAMPLES),
    ("events", events.events, "List what changed.", events.EXAMPLES),
    ("rules", rules.rules, "Print Prometheus rules.", RULES_EXAMPLES),
    (
        "dashboards",
        dashboards.dashboards,
        "Write the Grafana dashboards.",
        dashboards.EXAMPLES,
    ),
    ("healthcheck", healthcheck.healthcheck, "Check a running exporter.", healthcheck.EXAMPLES),
    ("completion", completion.completion, "Print a completion script for a shell.", completion.EXAMPLES),
)
for _name, _function, _summary, _epilog in _COMMANDS:
    app.command(_name, cls=Command, short_help=_summary, epilog=_epilog)(_function)


def main() -> None:
    """Run the command that the arguments name. Whatever ends it is printed without secrets."""
    terminal = Terminal(Redactor())
    if completion.VARIABLE in os.environ:
        completion.prepare()
    try:
        code = app(standalone_mode=False, obj=terminal)
    except typer.TyperException as error:
        terminal.usage_error(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(REFUSED)
    except OutputError as error:
        terminal.err(f"the output cannot be written: {error}")
        sys.exit(REFUSED)
    except Exception as error:  # noqa: BLE001 - a defect: its traceback must not show a secret either
        terminal.crash(error)
        sys.exit(CRASHED)
    sys.exit(code if isinstance(code, int) else 0)
