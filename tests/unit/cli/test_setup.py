from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from exporter.cli.exit_codes import INCOMPLETE
from exporter.cli.setup import load_settings, refuse
from exporter.cli.terminal import Terminal
from exporter.common.redaction import Redactor

if TYPE_CHECKING:
    from pathlib import Path


def test_a_refusal_prints_each_line_to_stderr_and_exits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        refuse(Terminal(Redactor()), "first\nsecond", INCOMPLETE)
    assert caught.value.exit_code == 2
    assert capsys.readouterr() == ("", "first\nsecond\n")


def test_a_configuration_that_cannot_be_read_exits_with_the_code_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in (1, 2):
        with pytest.raises(typer.Exit) as caught:
            load_settings(Terminal(Redactor()), tmp_path / "missing.yaml", code)
        assert caught.value.exit_code == code
        assert capsys.readouterr().err.startswith(f"{tmp_path}/missing.yaml")
