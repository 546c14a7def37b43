from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from support.builders import NOW, ManualClock, a_failure

from exporter.app import once
from exporter.app.once import Outcome
from exporter.cli.sweep import exit_code, report_failures, sweep_with_progress
from exporter.cli.terminal import Terminal
from exporter.common.redaction import Redactor
from exporter.model.snapshot import View
from exporter.model.user import User
from exporter.state.ledger import Ledger

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


def an_outcome(failing: int = 0, working: int = 0, undiscovered: int = 0) -> Outcome:
    ledger = Ledger("acme", [User(f"{number}", "x") for number in range(failing + working)])
    for number in range(failing + working):
        if number < failing:
            ledger.failed(f"{number}", a_failure(), NOW)
        else:
            ledger.succeeded(f"{number}", (), NOW)
    return Outcome(View((ledger.view(),)), ("acme: a",) * (failing + undiscovered), (), undiscovered)


@pytest.mark.parametrize(
    ("outcome", "allowed", "found", "code"),
    [
        (an_outcome(working=2), 0, False, 0),
        (an_outcome(working=2), 0, True, 1),
        (an_outcome(failing=1, working=1), 0, False, 3),
        (an_outcome(failing=1, working=1), 0, True, 1),
        (an_outcome(failing=1, working=1), 1, False, 0),
        (an_outcome(failing=2, working=1), 1, False, 3),
        (an_outcome(failing=2), 5, True, 2),
        (an_outcome(working=1, undiscovered=1), 5, False, 3),
        (an_outcome(undiscovered=1), 0, False, 2),
        (an_outcome(), 0, False, 0),
    ],
)
def test_found_and_failed_have_different_exit_codes(outcome: Outcome, allowed: int, found: bool, code: int) -> None:  # noqa: FBT001
    assert exit_code(outcome, allowed, found=found) == code


def test_failures_and_notes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures(Terminal(Redactor()), Outcome(View(()), ("acme: a", "acme: b"), ("acme: no keys",)))
    assert capsys.readouterr() == ("", "acme: no keys\nacme: a\nacme: b\n")
