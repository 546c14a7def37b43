from __future__ import annotations

import re

import pytest
import typer
from typer.main import get_command

from exporter.cli import app
from exporter.cli.help import examples


def test_examples_name_the_program_but_comments_do_not() -> None:
    assert examples("serve", "# a comment") == "\b\nExamples:\n  yunxiao-token-exporter serve\n  # a comment"


def test_help_names_values_and_no_types() -> None:
    program = get_command(app)
    context = typer.Context(program, info_name="yunxiao-token-exporter")
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        text = command.get_help(typer.Context(command, info_name=name, parent=context))
        assert "list[" not in text
        assert not re.search(r"<[a-z]+[ \[>]", text), name


@pytest.mark.parametrize("name", ["init", "tokens", "report", "config-schema", "completion"])
def test_every_command_has_examples(name: str) -> None:
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert "Examples:" in command.epilog
    assert command.short_help.endswith(".")
