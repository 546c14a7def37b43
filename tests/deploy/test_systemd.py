"""The units of systemd are valid, and the service is as isolated as the documents say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICE = "yunxiao-token-exporter.service"
SOCKET = "yunxiao-token-exporter.socket"
MOST_EXPOSURE = 1.5


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units and the commands that they call."""
    units, commands = tmp_path / "etc/systemd/system", tmp_path / "usr/bin"
    units.mkdir(parents=True)
    commands.mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    for name in ("yunxiao-token-exporter", "kill"):
        (commands / name).write_text("#!/bin/sh\n")
        (commands / name).chmod(0o755)
    for unit in UNITS.iterdir():
        shutil.copy(unit, units)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    return tmp_path


def verify(systemd_analyze: str, root: Path) -> tuple[str, int]:
    done = run([systemd_analyze, "verify", "--man=no", f"--root={root}", SERVICE, SOCKET])
    return done.stdout + done.stderr, done.returncode


def test_verify_finds_nothing(systemd_analyze: str, root: Path) -> None:
    assert verify(systemd_analyze, root) == ("", 0)


def test_verify_finds_a_misspelled_option(systemd_analyze: str, root: Path) -> None:
    unit = root / "etc/systemd/system" / SERVICE
    unit.write_text(unit.read_text().replace("RestrictRealtime=", "RestrictRealTime="))
    assert "RestrictRealTime" in verify(systemd_analyze, root)[0]


def test_exposure_is_as_low_as_documented(systemd_analyze: str) -> None:
    done = run([systemd_analyze, "security", "--offline=true", "--threshold=15", UNITS / SERVICE])
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d) ", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE
    assert done.returncode == 0
    assert f"`systemd-analyze security`: {found[1]}." in (UNITS / SERVICE).read_text()
