"""Measures for how long the threads of a process were ready to run while other processes had the processors."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def waits(pid: int | str) -> dict[str, float]:
    """Seconds for which each thread of a process has waited for a processor since its start, by thread id."""
    found = {}
    with contextlib.suppress(OSError):
        for thread in (Path("/proc") / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError, IndexError):
                found[thread.name] = int((thread / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return found


def since(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """Seconds that each thread has waited between two measurements."""
    return [max(0.0, seconds - before.get(thread, 0.0)) for thread, seconds in after.items()]
