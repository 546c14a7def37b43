"""Help texts: the values of options by names instead of Python types, examples, and output that may fail."""

import re
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from exporter.cli.terminal import Terminal

_NAMES: Final = {"path": "FILE", "str": "TEXT", "int": "N", "int range": "N", "float": "NUMBER"}
"""How help names the values of options, by Typer's names of their types."""
_TYPE = re.compile(r"<(?:list\[)?(.*?)\]?>(?:\.\.\.)?")
_TYPE_OF_ARGUMENT = re.compile(r"^(  [A-Z]+)( <[^>\n]+>)", re.MULTILINE)
_REQUIRED_ARGUMENT = re.compile(r"\{([A-Z]+)\}")


def examples(*lines: str) -> str:
    """The end of a command's help.

    Args:
        lines: command lines without the name of the program, or comments that begin with ``#``.
    """
    shown = [line if line.startswith("#") else f"yunxiao-token-exporter {line}" for line in lines]
    # Without a new paragraph after the mark, lines would be joined.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in shown)])


class _Help:
    """Shows help through the terminal, which reports that it cannot be written."""

    def get_help(self, ctx: Any) -> str:
        """The whole text."""
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined]
            if parameter.param_type_name == "option" and parameter.metavar is None:
                parameter.metavar = _metavar(str(parameter.display_type(ctx)))
        text: str = super().get_help(ctx)  # type: ignore[misc]
        # The types of arguments are always shown; what stands behind them keeps its column.
        text = _TYPE_OF_ARGUMENT.sub(lambda match: match[1] + " " * len(match[2]), text)
        return _REQUIRED_ARGUMENT.sub(r"\1", text)

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        option: Any = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = _show
        return option


def _metavar(shown: str) -> str:
    """The name of an option's value, from its type: ``<list[a|b]>`` is ``a|b``."""
    name = _TYPE.sub(r"\1", shown)
    return _NAMES.get(name, name)


def _show(context: Any, _: object, wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted and not context.resilient_parsing:
        text = context.get_help()
        Terminal.of(context).document(lambda stream: stream.write(f"{text}\n"))
        context.exit()


class Command(_Help, TyperCommand):
    """A command."""


class Group(_Help, TyperGroup):
    """The program, with its commands in the order of their registration."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(self.commands)
