"""The shell scripts of the repository are free of the faults that shellcheck knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_shellcheck_finds_nothing() -> None:
    scripts = sorted([*ROOT.glob("scripts/*.sh"), ROOT / ".ci/run"])
    assert len(scripts) >= 5
    found = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0)


def test_shellcheck_finds_nothing_in_the_scripts_of_tests() -> None:
    scripts = sorted(ROOT.glob("tests/support/*.sh"))
    assert scripts
    found = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0)
