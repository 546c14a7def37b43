"""Undoes the steps of a start in reverse order, even if the start was not complete."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger(__name__)


class Teardown:
    """Clean-ups, one for each thing that has been set up.

    Args:
        crashed: called after a clean-up has raised; must count it.
    """

    def __init__(self, crashed: Callable[[], None]) -> None:
        self._crashed = crashed
        # Guards the fields below: a start and a stop may run at the same time.
        self._lock = threading.Lock()
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self._done = False

    def add(self, name: str, undo: Callable[[], object]) -> None:
        """Register the clean-up of something that was set up. After `run` it is called at once."""
        with self._lock:
            if not self._done:
                self._steps.append((name, undo))
                return
        self._undo(name, undo)

    def run(self) -> None:
        """Call the clean-ups, the last one first. A second call does nothing."""
        with self._lock:
            self._done = True
            steps, self._steps = self._steps, []
        for name, undo in reversed(steps):
            self._undo(name, undo)

    def _undo(self, name: str, undo: Callable[[], object]) -> None:
        try:
            undo()
        except Exception:  # noqa: BLE001 - one part that cannot be stopped must not keep the others running; it is counted
            _log.exception("a part could not be stopped", part=name)
            self._crashed()
