from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from support.builders import ManualClock

from exporter.app import once
from exporter.app.once import Outcome
from exporter.cli.sweep import report_failures, sweep_with_progress
from exporter.cli.terminal import Terminal
from exporter.common.redaction import Redactor
from exporter.model.snapshot import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config.settings import Settings

SETTINGS = cast("Settings", None)


def test_a_sweep_reports_its_progress_and_prints_nothing_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = Outcome(View(()), ())

    def sweep(_: Settings, __: object, progress: Callable[[Any], None], begins: Callable[[int], None]) -> Outcome:
        begins(2)
        progress(None)
        begins(3)
        return expected

    monkeypatch.setattr(once, "sweep_once", sweep)
    assert sweep_with_progress(Terminal(Redactor()), SETTINGS, ManualClock()) is expected
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_is_a_sweep_that_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def sweep(*_: object) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(once, "sweep_once", sweep)
    with pytest.raises(typer.Exit) as caught:
        sweep_with_progress(Terminal(Redactor()), SETTINGS, ManualClock())
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "interrupted\n"


def test_failures_are_printed_and_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures(Terminal(Redactor()), Outcome(View(()), ()))
    with pytest.raises(typer.Exit) as caught:
        report_failures(Terminal(Redactor()), Outcome(View(()), ("acme: a", "acme: b")))
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "acme: a\nacme: b\n"


def test_notes_are_printed_and_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures(Terminal(Redactor()), Outcome(View(()), (), ("acme: no keys",)))
    assert capsys.readouterr().err == "acme: no keys\n"
