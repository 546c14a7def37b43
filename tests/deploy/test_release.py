"""The workflows have no fault that zizmor knows, and a release needs the same version everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import needed

import exporter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def run(command: Sequence[str | Path], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_zizmor_finds_nothing() -> None:
    found = run([needed("zizmor"), "--offline", "--persona", "pedantic", "--no-progress", ".github"])
    assert "No findings to report" in found.stdout + found.stderr
    assert found.returncode == 0


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/*.yml"),
    ],
)
def test_files_of_github_are_valid(schema: str, pattern: str) -> None:
    files = sorted((ROOT / ".github").glob(pattern))
    assert files
    found = run([needed("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *files])
    assert found.returncode == 0, found.stdout


def _steps(workflow: Mapping[str, Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]]) -> list[Mapping[str, str]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_of_workflows_exist(path: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in _steps(yaml.safe_load(path.read_text("utf-8"))))
    named = set(re.findall(r"(?<![\w/])(?:scripts/[\w-]+\.sh|\.ci/run)", commands))
    targets = set(re.findall(r"^make ([\w-]+)", commands, re.MULTILINE))
    assert named | targets
    assert not [name for name in named if not (ROOT / name).is_file()]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert not [target for target in targets if f"\n{target}:" not in makefile]


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A copy of what the scripts of a release read, in version 1.2.3."""
    for name in ("release-version.sh", "release-notes.sh", "version.sh"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter/__init__.py").write_text('"""Text."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.3 - 2026-01-02\n\n### Added\n\n- this\n\n"
        "## 1.2.30 - 2025-01-02\n\n- that\n"
    )
    return tmp_path


def test_tag_of_the_version_in_code_and_changelog_is_released(tagged: Path) -> None:
    done = run(["scripts/release-version.sh", "v1.2.3"], tagged)
    assert (done.stdout, done.stderr, done.returncode) == ("version=1.2.3\n", "", 0)


def test_tag_of_another_version_is_refused(tagged: Path) -> None:
    done = run(["scripts/release-version.sh", "v1.2.4"], tagged)
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr == "tag v1.2.4, but exporter/__init__.py has version 1.2.3\n"


def test_version_without_changelog_is_refused(tagged: Path) -> None:
    (tagged / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    done = run(["scripts/release-version.sh", "v1.2.3"], tagged)
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr == 'CHANGELOG.md has no line "## 1.2.3 - YYYY-MM-DD"\n'


def test_notes_are_the_section_of_the_version(tagged: Path) -> None:
    done = run(["scripts/release-notes.sh", "1.2.3"], tagged)
    assert (done.stdout, done.returncode) == ("\n### Added\n\n- this\n\n", 0)


def test_notes_of_a_version_that_is_not_there_fail(tagged: Path) -> None:
    assert run(["scripts/release-notes.sh", "1.2"], tagged).returncode == 1


def test_version_in_the_code_has_a_section_in_the_changelog() -> None:
    """Between releases the code has the version of the last one."""
    done = run(["scripts/release-version.sh", f"v{exporter.__version__}"])
    assert done.returncode == 0, done.stderr
