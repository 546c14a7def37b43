"""completion: a script with which a shell completes commands, options and their values."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from exporter.cli.help import examples
from exporter.cli.terminal import Terminal

PROGRAM: Final = "yunxiao-token-exporter"
VARIABLE: Final = "_YUNXIAO_TOKEN_EXPORTER_COMPLETE"
"""The environment variable with which the script asks the program for completions."""
EXAMPLES: Final = examples(
    "completion bash > /etc/bash_completion.d/yunxiao-token-exporter",
    "completion zsh > ~/.zfunc/_yunxiao-token-exporter",
    "completion fish > ~/.config/fish/completions/yunxiao-token-exporter.fish",
)


class Shell(StrEnum):
    """A shell for which there is a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def prepare() -> None:
    """Make the program answer the question for completions that its environment asks."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print a script with which a shell completes commands, options and their values."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)
    Terminal.of(context).document(lambda stream: stream.write(f"{script}\n"))
