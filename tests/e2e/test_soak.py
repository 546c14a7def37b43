"""The short form of `make soak`: ninety seconds of a fixed schedule that meets each kind of trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.running import keep

from soak.bounds import Scale
from soak.run import Options, soak
from soak.schedule import Profile

if TYPE_CHECKING:
    from pathlib import Path

SEED = 302


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("redis_server", "faketime")
def test_invariants_hold_for_ninety_seconds_of_faults(tmp_path: Path) -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line)

    violations = soak(Options(SEED, 90.0, Profile.ALL, Scale()), tmp_path, say)
    keep("soak", "\n".join(lines).encode())
    # What was printed, captured above or below, has the faults before it and the end of the daemon's log.
    assert [f"{one.at:.0f} s: {one.text}" for one in violations] == []
    assert not any("NOT RUN" in line for line in lines)
