"""First steps of a command: set up the log, load the configuration, or exit with a message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import typer

from exporter.cli.exit_codes import REFUSED

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.cli.terminal import Terminal
    from exporter.common.log_options import Format, Level
    from exporter.config.settings import Settings


def set_up_logs(terminal: Terminal, level: Level, form: Format) -> None:
    """Log to stderr from here on, defects of threads included."""
    from exporter.common import logs

    logs.configure(level, form, terminal.redactor)
    logs.log_uncaught()


def load_settings(terminal: Terminal, config_file: Path, code: int = REFUSED) -> Settings:
    """Load the configuration, or print what is wrong with it and exit with the code."""
    from exporter.config.errors import ConfigError
    from exporter.config.load import load

    try:
        return load(config_file, os.environ, terminal.redactor)
    except ConfigError as error:
        refuse(terminal, str(error), code)


def refuse(terminal: Terminal, message: str, code: int = REFUSED) -> NoReturn:
    """Print a message, which may have several lines, and exit."""
    for line in message.splitlines():
        terminal.err(line)
    raise typer.Exit(code)
