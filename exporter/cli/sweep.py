"""One sweep for a command, with a progress bar where stderr is a terminal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import typer

from exporter.cli.exit_codes import FOUND, INCOMPLETE, PARTLY_FAILED

if TYPE_CHECKING:
    from exporter.app.once import Outcome
    from exporter.cli.terminal import Terminal
    from exporter.common.clock import Clock
    from exporter.config.settings import Settings


def sweep_with_progress(terminal: Terminal, settings: Settings, clock: Clock) -> Outcome:
    """Sweep every organization once. Ctrl-C exits with `INCOMPLETE`."""
    try:
        return _sweep(settings, clock)
    except KeyboardInterrupt:
        terminal.err("interrupted")
        raise typer.Exit(INCOMPLETE) from None


def exit_code(outcome: Outcome, allowed: int = 0, *, found: bool = False) -> int:
    """The exit code of a command that has swept.

    Args:
        outcome: the sweep.
        allowed: the number of users whose failure is accepted.
        found: whether a check found something.
    """
    if outcome.failed_completely:
        return INCOMPLETE
    if found:
        return FOUND
    return PARTLY_FAILED if outcome.undiscovered or outcome.failed_users > allowed else 0


def report_failures(terminal: Terminal, outcome: Outcome) -> None:
    """Print what failed or is missing, one line each."""
    for note in outcome.notes:
        terminal.err(note)
    for failure in outcome.failures:
        terminal.err(failure)


def _sweep(settings: Settings, clock: Clock) -> Outcome:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from exporter.app.once import sweep_once

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("users", total=0)
        # The number of users becomes known for one organization after the other, so the total grows.
        lock = threading.Lock()
        totals: list[int] = []

        def add_users(users: int) -> None:
            with lock:
                totals.append(users)
                progress.update(task, total=sum(totals))

        return sweep_once(settings, clock, lambda _: progress.advance(task), add_users)
