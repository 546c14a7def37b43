"""First steps of a command: set up the log, load the configuration, or exit with a message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import typer

from exporter.cli.exit_codes import REFUSED
from exporter.cli.options import DEFAULT_CONFIGS, is_there

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.cli.terminal import Terminal
    from exporter.common.log_options import Format, Level
    from exporter.config.settings import Settings
    from exporter.policies.schema import Policies
    from exporter.web.security import WebSecurity


def set_up_logs(terminal: Terminal, level: Level, form: Format) -> None:
    """Log to stderr from here on, defects of threads included."""
    from exporter.common import logs

    logs.configure(level, form, terminal.redactor)
    logs.log_uncaught()


def load_settings(terminal: Terminal, config_file: Path, code: int = REFUSED) -> Settings:
    """Load the configuration, or print what is wrong with it and exit with the code."""
    from exporter.config.errors import ConfigError
    from exporter.config.load import load

    require_config(config_file)
    try:
        return load(config_file, os.environ, terminal.redactor)
    except ConfigError as error:
        refuse(terminal, str(error), code)


def require_config(config_file: Path) -> None:
    """Refuse to go on if no configuration was named and none is in the usual places.

    Raises:
        typer.BadParameter: there is none.
    """
    if config_file == DEFAULT_CONFIGS[0] and not is_there(config_file):
        raise typer.BadParameter(
            f"no configuration file: neither ./{DEFAULT_CONFIGS[0]} nor {DEFAULT_CONFIGS[1]} exists; name one with "
            "--config.file, or write one with the command init",
            param_hint="--config.file",
        )


def storage_warnings(path: Path | None) -> tuple[str, ...]:
    """What would keep this user from writing the state file at ``path``, as sentences; none if ``path`` is None."""
    if path is None or os.access(path.parent, os.W_OK | os.X_OK):
        return ()
    # Not Path.is_dir, which raises an error if a folder above hides it.
    if not os.path.isdir(path.parent):  # noqa: PTH112 - see above
        return (f"storage.path: uid {os.geteuid()} finds no folder {path.parent}, so the state is not kept; create it",)
    problem = f"uid {os.geteuid()} cannot create files in {path.parent}, so the state is not kept"
    hint = "choose a folder that the exporter may write to, with the packages /var/lib/yunxiao-token-exporter"
    return (f"storage.path: {problem}; {hint}",)


def optional_policies(terminal: Terminal, config_file: Path, code: int = REFUSED) -> Policies:
    """The policies of a configuration that nothing else needs: none, if no one named it and it cannot be read."""
    from exporter.policies.schema import Policies

    if config_file in DEFAULT_CONFIGS and not os.access(config_file, os.R_OK):
        if is_there(config_file):
            terminal.err(
                f"{config_file}: cannot be read, so no policy is checked; check that uid {os.geteuid()} may read it"
            )
        return Policies()
    return load_policies(terminal, config_file, code)


def load_policies(terminal: Terminal, config_file: Path, code: int = REFUSED) -> Policies:
    """The policies of a configuration alone: nothing else of it is checked, and no file that it names is read."""
    from exporter.config.errors import ConfigError
    from exporter.config.load import policies_of

    require_config(config_file)
    try:
        return policies_of(config_file)
    except ConfigError as error:
        refuse(terminal, str(error.cleaned(terminal.redactor)), code)


def web_security(terminal: Terminal, file: Path | None, *, open_health: bool = False) -> WebSecurity:
    """Load the web configuration, or print what is wrong with it and exit."""
    from exporter.config.errors import ConfigError
    from exporter.web.security import security_of

    try:
        return security_of(file, open_health=open_health)
    except ConfigError as error:
        refuse(terminal, str(error))


def refuse(terminal: Terminal, message: str, code: int = REFUSED) -> NoReturn:
    """Print a message, which may have several lines, and exit."""
    for line in message.splitlines():
        terminal.err(line)
    raise typer.Exit(code)
