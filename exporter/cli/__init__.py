"""The command line: flags and exit codes. A command imports what it needs when it runs, so that help comes at once."""

import sys
from typing import Annotated

import typer

from exporter import __version__
from exporter.cli import check_config, dashboards, report, rules, serve, tokens
from exporter.cli.exit_codes import CRASHED, REFUSED
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.redaction import Redactor

app = typer.Typer(
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
app.command()(serve.serve)
app.command()(serve.demo)
app.command()(check_config.check_config)
app.command()(rules.rules)
app.command()(dashboards.dashboards)
app.command()(tokens.tokens)
app.command()(report.report)


def main() -> None:
    """Run the command that the arguments name. Whatever ends it is printed without secrets."""
    terminal = Terminal(Redactor())
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
