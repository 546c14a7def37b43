"""The bundle installs without a network and without a package index, with Debian's own Python."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import needed
from support.documents import dead_links
from support.running import ROOT, Running, free_port, get, wait_until

import exporter

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.timeout(300)  # the first test waits for the bundle to be built

NAME = f"yunxiao-token-exporter-bundle_{exporter.__version__}_{platform.machine()}"
PYTHON = "/usr/bin/python3"
NO_NETWORK = ("unshare", "--net", "--")
BOGUS_INDEX = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "http://127.0.0.1:9/more",
    "PIP_NO_INDEX": "0",
    "PIP_CONSTRAINT": "/nonexistent",
}
"""Settings of pip that would make an installation fail if they had an effect."""


def run(*command: str | Path, env: Mapping[str, str] | None = None, within: float = 120) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def refused(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command that must exit with 1; its message."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **(env or {})}
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked bundle."""
    needed("nfpm")  # stands for the packaging tools
    out = tmp_path_factory.mktemp("bundle")
    chart = out / f"yunxiao-token-exporter-{exporter.__version__}.tgz"
    chart.write_bytes(b"a chart")
    run(ROOT / "scripts/build-bundle.sh", out, within=280)
    with tarfile.open(out / f"{NAME}.tar.gz") as archive:
        archive.extractall(out, filter="data")
    return out / NAME


@pytest.fixture(scope="module")
def installed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment into which the bundle was installed, with no network."""
    target = tmp_path_factory.mktemp("opt") / "yunxiao-token-exporter"
    said = run(*NO_NETWORK, bundle / "install.sh", target, env={"PYTHON": PYTHON, **BOGUS_INDEX})
    assert said == (
        f"yunxiao-token-exporter {exporter.__version__}\n"
        f"installed: {target}/bin/yunxiao-token-exporter; README.md says how to run it as a service\n"
    )
    return target


def test_has_what_its_readme_lists(bundle: Path) -> None:
    text = (bundle / "README.md").read_text("utf-8")
    listed = re.findall(r"`([^`]+)`", "".join(line for line in text.splitlines() if line.startswith("| `")))
    assert len(listed) == 11
    assert [name for name in listed if not (bundle / name).exists()] == []


def test_its_documents_need_no_internet(bundle: Path) -> None:
    assert dead_links(bundle) == []
    assert "](runbooks/YunxiaoTokenExpired.md)" in (bundle / "docs/alerts.md").read_text("utf-8")
    assert "](../../alertmanager/README.zh.md)" in (bundle / "docs/zh/alerts.md").read_text("utf-8")
    # Its own README is short: what the documents call README is the repository's.
    assert "](README.md#a-real-organization)" in (bundle / "docs/installation.md").read_text("utf-8")
    assert "## A real organization" in (bundle / "docs/README.md").read_text("utf-8")


def test_has_the_chart_that_was_built_before(bundle: Path) -> None:
    assert [file.read_bytes() for file in (bundle / "chart").iterdir()] == [b"a chart"]


@pytest.mark.parametrize("version", ["311", "312", "313"])
def test_has_compiled_modules_for_each_supported_python(bundle: Path, version: str) -> None:
    compiled = {wheel.name.partition("-")[0] for wheel in (bundle / "wheels").glob(f"*-cp{version}-*.whl")}
    assert {"google_re2", "isal", "msgspec", "pydantic_core"} <= compiled


def test_has_no_source_distribution(bundle: Path) -> None:
    assert [file.name for file in (bundle / "wheels").iterdir() if file.suffix != ".whl"] == []


def test_pins_every_wheel(bundle: Path) -> None:
    wheels = len(list((bundle / "wheels").iterdir()))
    assert (bundle / "requirements.txt").read_text().count("--hash=sha256:") == wheels > 40


def test_installs_the_versions_of_the_lock_file(installed: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([^ ;\\]+==[^ ;\\]+)", lock, re.MULTILINE))
    listed = run(installed / "bin/python", "-m", "pip", "list", "--format", "freeze").splitlines()
    versions = {line.lower().replace("_", "-") for line in listed}
    # Only for Windows.
    expected = {line for line in pinned if not line.startswith("colorama=")}
    assert len(expected) > 35
    assert {line for line in versions if not line.startswith(("pip=", "setuptools="))} == {
        *expected,
        f"yunxiao-token-exporter=={exporter.__version__}",
    }


def test_dependencies_are_complete(installed: Path) -> None:
    assert run(installed / "bin/python", "-m", "pip", "check") == "No broken requirements found.\n"


def test_demo_becomes_ready(installed: Path) -> None:
    port = free_port()
    command = [str(installed / "bin/yunxiao-token-exporter"), "demo", "--web.listen-address", f"127.0.0.1:{port}"]
    # The tests' own code must not be what runs.
    with Running(["env", "--unset=PYTHONPATH", *command], cwd=installed) as demo:
        wait_until(lambda: answers(demo, port), within=30)
        assert "yunxiao_user_up{" in get(f"http://127.0.0.1:{port}/metrics").text


def answers(demo: Running, port: int) -> bool:
    assert demo.process.poll() is None, demo.output
    done = subprocess.run(["curl", "--silent", "--fail", f"http://127.0.0.1:{port}/-/ready"], check=False)
    return done.returncode == 0


def test_a_virtual_environment_of_something_else_is_not_replaced(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    (tmp_path / "main.py").touch()
    refused = subprocess.run([bundle / "install.sh", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"{bundle}/install.sh: {tmp_path} is a virtual environment of something else; name another directory\n"
    )
    assert (tmp_path / "main.py").exists()


def test_an_interrupted_installation_is_repeated(bundle: Path, installed: Path) -> None:
    (installed / "bin/yunxiao-token-exporter").unlink()
    run(*NO_NETWORK, bundle / "install.sh", installed, env={"PYTHON": PYTHON})
    assert (installed / "bin/yunxiao-token-exporter").exists()


def test_a_second_installation_replaces_the_first(bundle: Path, installed: Path) -> None:
    (modules,) = installed.glob("lib/python3.*/site-packages")
    leftover = modules / "of_an_old_release.py"
    leftover.touch()
    run(*NO_NETWORK, bundle / "install.sh", installed, env={"PYTHON": PYTHON})
    assert not leftover.exists()
    assert exporter.__version__ in run(installed / "bin/yunxiao-token-exporter", "--version")


def test_a_directory_with_other_files_is_not_replaced(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    message = refused(bundle / "install.sh", tmp_path)
    assert message == (
        f"{bundle}/install.sh: {tmp_path} exists and is no virtual environment; name another directory\n"
    )
    assert (tmp_path / "precious").exists()


def test_a_damaged_bundle_is_not_installed(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "requirements.txt").write_text("tampered")
    message = refused(copy / "install.sh", tmp_path / "target")
    assert "requirements.txt: FAILED\n" in message or "requirements.txt" in message
    assert message.endswith(
        f"{copy}/install.sh: files of the bundle are damaged or missing, see above; copy it again\n"
    )
    assert not (tmp_path / "target").exists()


def test_another_python_is_refused(bundle: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    pretends = "import sys; sys.version_info = (3, 10, 13); sys.executable = '/opt/python'; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {PYTHON} -c "{pretends}" "$2"\n')
    old.chmod(0o755)
    message = refused(bundle / "install.sh", tmp_path / "target", env={"PYTHON": str(old)})
    assert message == "install.sh: /opt/python is Python 3.10; the bundle is for 3.11, 3.12 and 3.13\n"
    assert not (tmp_path / "target").exists()


def test_both_readmes_have_the_same_commands(bundle: Path) -> None:
    def commands(name: str) -> list[str]:
        blocks = re.findall(r"```\n(.*?)```", (bundle / name).read_text("utf-8"), re.DOTALL)
        return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]

    assert commands("README.md") == commands("README.zh-CN.md")
    assert len(commands("README.md")) > 15
