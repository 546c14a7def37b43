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

SEED = 7


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("redis_server", "faketime")
def test_promises_are_kept_for_ninety_seconds_of_trouble(tmp_path: Path) -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line)

    violations = soak(Options(SEED, 90.0, Profile.ALL, Scale()), tmp_path, say)
    keep("soak", "\n".join(lines).encode())
    assert not violations, "\n".join(lines)
    if any("NOT RUN" in line for line in lines):
        pytest.fail("clock steps were promised, but not run")
