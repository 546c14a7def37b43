"""The units of systemd are valid, and the service is as isolated as the documents say."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.running import Running, a_record, a_simulator, wait_until, write_config
from support.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICE = "yunxiao-token-exporter.service"
SOCKET = "yunxiao-token-exporter.socket"
MOST_EXPOSURE = 1.5
HARDENING = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
DROP_INS = re.findall(r"```ini\n(.*?)```", HARDENING, re.DOTALL)


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


def exposure(systemd_analyze: str, unit: Path) -> float:
    done = run([systemd_analyze, "security", "--offline=true", "--threshold=15", unit])
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d) ", done.stdout)
    assert found is not None, done.stdout + done.stderr
    # The threshold is in tenths.
    assert (done.returncode == 0) == (float(found[1]) <= MOST_EXPOSURE)
    return float(found[1])


def test_exposure_is_as_low_as_documented(systemd_analyze: str) -> None:
    level = exposure(systemd_analyze, UNITS / SERVICE)
    assert level <= MOST_EXPOSURE
    assert f"`systemd-analyze security`: {level}." in (UNITS / SERVICE).read_text()
    assert f"exposure level of {level} of 10" in HARDENING


def test_exposure_rises_with_each_protection_that_is_removed(systemd_analyze: str, tmp_path: Path) -> None:
    text = (UNITS / SERVICE).read_text()
    unit = tmp_path / SERVICE
    unit.write_text(text.replace("CapabilityBoundingSet=\n", "").replace("SystemCallFilter=", "#"))
    assert exposure(systemd_analyze, unit) > MOST_EXPOSURE


def settings() -> dict[str, list[str]]:
    """The values of each option of the service."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / SERVICE).read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_process_metrics_can_be_read() -> None:
    # prometheus_client needs /proc/stat.
    assert settings().get("ProcSubset", ["all"]) == ["all"]


def test_drop_ins_are_documented() -> None:
    assert len(DROP_INS) == 3


@pytest.mark.parametrize("number", range(len(DROP_INS)))
def test_documented_drop_ins_are_valid(systemd_analyze: str, root: Path, number: int) -> None:
    folder = root / "etc/systemd/system" / f"{SERVICE}.d"
    folder.mkdir()
    (folder / "override.conf").write_text(DROP_INS[number])
    assert verify(systemd_analyze, root) == ("", 0)


def test_the_command_of_the_unit_reports_to_systemd(tmp_path: Path) -> None:
    (command,) = settings()["ExecStart"]
    program, *arguments = shlex.split(command)
    assert program == "/usr/bin/yunxiao-token-exporter"
    environment = dict(pair.split("=", 1) for line in settings()["Environment"] for pair in line.split())
    variable = "YUNXIAO_TOKEN_EXPORTER_CONFIG_FILE"
    assert environment[variable] == "/etc/yunxiao-token-exporter/config.yaml"
    environment["ARGS"] = f"--web.listen-address unix:{tmp_path}/web.sock"
    with a_simulator({"A": [a_record()]}) as platform, Systemd(str(tmp_path / "notify")) as systemd:
        environment |= {variable: str(write_config(tmp_path, platform, "A"))} | systemd.environment
        # systemd divides the value of an argument $NAME at white space.
        words = [word for one in arguments for word in (environment[one[1:]].split() if one[0] == "$" else [one])]
        with Running([sys.executable, "-m", "exporter", *words], environment) as daemon:
            wait_until(lambda: systemd.received("READY=1"))
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: systemd.received("RELOADING=1"))
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0
        assert systemd.received("STOPPING=1")
