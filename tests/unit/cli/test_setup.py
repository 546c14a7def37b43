from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from exporter.cli.exit_codes import INCOMPLETE
from exporter.cli.options import DEFAULT_CONFIGS
from exporter.cli.setup import load_settings, optional_policies, refuse, storage_warnings
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


def test_no_warning_about_a_storage_folder_in_which_files_can_be_created(tmp_path: Path) -> None:
    assert storage_warnings(None) == ()
    assert storage_warnings(tmp_path / "state.db") == ()


def test_a_warning_about_a_storage_folder_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 995)
    (warning,) = storage_warnings(tmp_path / "missing" / "state.db")
    assert warning == f"storage.path: uid 995 finds no folder {tmp_path}/missing, so the state is not kept; create it"


def test_a_warning_about_a_storage_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere, so that a mode would not do.
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("os.geteuid", lambda: 995)
    (warning,) = storage_warnings(tmp_path / "state.db")
    assert warning == (
        f"storage.path: uid 995 cannot create files in {tmp_path}, so the state is not kept; choose a folder that the "
        "exporter may write to, with the packages /var/lib/yunxiao-token-exporter"
    )


def test_a_report_of_another_exporter_needs_no_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, packaged) = DEFAULT_CONFIGS
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for there, said in (
        (False, ""),
        (True, f"{packaged}: cannot be read, so no policy is checked; check that uid 1000 may read it\n"),
    ):
        monkeypatch.setattr("exporter.cli.setup.is_there", lambda _, there=there: there)
        assert optional_policies(Terminal(Redactor()), packaged).configured == ()
        assert capsys.readouterr().err == said


def test_a_configuration_that_was_named_must_be_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        optional_policies(Terminal(Redactor()), tmp_path / "missing.yaml")
    assert "missing.yaml: cannot be read" in capsys.readouterr().err
