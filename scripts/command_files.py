"""Writes the manual page and the completion scripts of the command, for packages.

usage: command_files.py FOLDER

FOLDER gets yunxiao-token-exporter.1, .bash, .zsh and .fish. The page has the date of SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typer.completion import get_completion_script  # type: ignore[attr-defined]
from typer.main import get_command

from exporter import __version__
from exporter.cli import app
from exporter.cli.completion import PROGRAM, VARIABLE, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES: Final = (
    ("/etc/yunxiao-token-exporter/config.yaml", "The configuration, unless --config.file names another file."),
    ("/etc/default/yunxiao-token-exporter", "Flags and environment variables of the service."),
    ("/usr/share/yunxiao-token-exporter/", "Example configuration, Prometheus rules, dashboards."),
    ("/usr/share/doc/yunxiao-token-exporter/", "The documentation."),
)


def roff(text: str) -> str:
    """Escape a text for troff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())


def entries(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Tagged paragraphs. A line may end between the possible values of an option."""
    for name, text in pairs:
        breakable = roff(name).replace("|", r"|\:")
        yield f".TP\n\\fB{breakable}\\fR\n{roff(' '.join(text.split()))}"


def section(name: str, command: Any, context: Any) -> Iterator[str]:
    """Write the part about one command."""
    own = context.__class__(command, info_name=name, parent=context)
    command.get_help(own)  # names the values of options
    yield f".SS {roff(name)}"
    yield roff(" ".join((command.help or command.short_help).split()))
    records = (parameter.get_help_record(own) for parameter in command.get_params(own))
    yield from entries(record for record in records if record is not None)
    if command.epilog:
        shown = command.epilog.replace("\b\n", "").splitlines()
        yield "\n".join([".PP", roff(shown[0]), ".PP", ".nf", *(roff(line) for line in shown[1:]), ".fi"])


def page(date: datetime) -> Iterator[str]:
    """Write the manual page."""
    group = get_command(app)
    context: Any = group.make_context(PROGRAM, [], resilient_parsing=True)
    yield f'.TH {PROGRAM.upper()} 1 "{date:%Y-%m-%d}" "{PROGRAM} {__version__}" "User Commands"'
    yield ".nh\n.ad l"  # variables are easier to find and copy without hyphens
    yield f".SH NAME\n{roff(PROGRAM)} \\- {roff(str(group.help).rstrip('.'))}"
    yield f".SH SYNOPSIS\n\\fB{roff(PROGRAM)}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]..."
    yield ".SH COMMANDS"
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        yield from section(name, command, context)
    yield ".SH FILES"
    yield from entries(iter(FILES))


def main() -> None:
    """Write the files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    (folder / f"{PROGRAM}.1").write_text("".join(f"{part}\n" for part in page(date)), "utf-8")
    for shell in Shell:
        script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)
        (folder / f"{PROGRAM}.{shell.value}").write_text(f"{script}\n", "utf-8")


if __name__ == "__main__":
    main()
