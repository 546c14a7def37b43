"""The wheel and the source distribution are complete, well described, reproducible, and run when installed."""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import needed

import exporter

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
VERSION = exporter.__version__


@dataclass(frozen=True)
class Built:
    """What scripts/build-python.sh and scripts/build-sbom.sh made, and what they printed."""

    wheel: Path
    sdist: Path
    sbom: Path
    printed: str

    @property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
            return email.message_from_bytes(archive.read(name))


def script(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Run a script of the repository that must succeed; what it printed."""
    environment = {**os.environ, **environ}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(out: Path) -> str:
    # Paths are those of the caller, and may contain blanks.
    return script(ROOT / "scripts/build-python.sh", out.name, cwd=out.parent, SOURCE_DATE_EPOCH="1767225600")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    for command in ("twine", "check-wheel-contents", "cyclonedx-py", "pyproject-build"):
        needed(command)
    out = tmp_path_factory.mktemp("python") / "in this folder"
    printed = build(out)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    script(ROOT / "scripts/build-sbom.sh", wheel.name, ".", cwd=out, PYTHON=sys.executable)
    (sbom,) = out.glob("*.cdx.json")
    return Built(wheel, sdist, sbom, printed)


def test_names_have_the_version(built: Built) -> None:
    assert built.wheel.name == f"yunxiao_token_exporter-{VERSION}-py3-none-any.whl"
    assert built.sdist.name == f"yunxiao_token_exporter-{VERSION}.tar.gz"
    assert built.sbom.name == f"yunxiao-token-exporter-{VERSION}.cdx.json"


def test_twine_and_check_wheel_contents_pass(built: Built) -> None:
    plain = re.sub(r"\x1b\[\d+m", "", built.printed)
    assert plain.count("PASSED") == 2
    assert plain.rstrip().endswith(".whl: OK")


def test_same_commit_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    build(tmp_path)
    for first in (built.wheel, built.sdist):
        again = tmp_path / first.name
        assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(first.read_bytes()).hexdigest()


def test_wheel_has_all_files_of_the_package_and_nothing_else(built: Built) -> None:
    known = subprocess.run(["git", "ls-files", "exporter"], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    documents = {name for name in names if name.startswith("exporter/docs/")}
    assert names - documents == set(known.stdout.split())
    assert "exporter/docs/platform.md" in documents
    assert "exporter/docs/runbooks/zh/YunxiaoTokenExpired.md" in documents


def test_source_distribution_has_what_a_packager_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    for wanted in (
        "LICENSE",
        "CHANGELOG.md",
        "SECURITY.md",
        "requirements.lock",
        "config.example.yaml",
        "prometheus/rules.yaml",
    ):
        assert wanted in names


def test_description_has_no_relative_link(built: Built) -> None:
    description = built.metadata.get_payload()
    assert isinstance(description, str)
    targets = re.findall(r"\]\(([^)\s]+)\)", description)
    assert len(targets) > 10
    assert not [target for target in targets if not target.startswith(("https://", "#"))]
    assert f"/blob/v{VERSION}/docs/configuration.md" in description


def test_project_has_its_addresses(built: Built) -> None:
    urls = dict(one.split(", ", 1) for one in built.metadata.get_all("Project-URL", []))
    assert set(urls) == {"Homepage", "Documentation", "Issues", "Changelog", "Security"}


def test_bill_of_materials_names_the_product_and_its_pinned_dependencies(built: Built) -> None:
    text = built.sbom.read_text("utf-8")
    sbom = json.loads(text)
    product = sbom["metadata"]["component"]
    assert (product["name"], product["version"], product["type"]) == ("yunxiao-token-exporter", VERSION, "application")
    listed = {one["name"].lower().replace("_", "-"): one["version"] for one in sbom["components"]}
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    assert listed["requests"] == pinned["requests"]
    assert set(listed) <= set(pinned)
    assert len(listed) >= 30
    (needs,) = (one["dependsOn"] for one in sbom["dependencies"] if one["ref"] == product["bom-ref"])
    assert f"requests=={pinned['requests']}" in needs
    assert "/tmp/" not in text


def test_wheel_runs_in_an_empty_environment(built: Built, tmp_path: Path) -> None:
    """Its dependencies are those of the environment of the tests, so that no index is needed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(site)
    (site / "dependencies.pth").write_text(f"{Path(yaml.__file__).parents[1]}\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    show = "import exporter, sys; print(exporter.__file__); from exporter.cli import main; sys.exit(main())"
    done = subprocess.run(
        [tmp_path / "venv/bin/python", "-P", "-c", show, "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    place, shown = done.stdout.splitlines()[:2]
    assert place == str(site / "exporter/__init__.py")
    assert VERSION in shown
