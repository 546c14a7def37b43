"""Collects the wheels of the exporter and of its pinned dependencies, for several Python versions and one architecture.

usage: wheelhouse.py OUT --architecture x86_64 | aarch64 [--python 3.11]...

Dependencies come from the index that pip is configured for, with the hashes of requirements.lock. OUT/wheels has the
wheels, OUT/requirements.txt pins them with the hashes of exactly these files. Run it with the Python of the packaging
tools, which has `build`, `hatchling`, `packaging` and `setuptools`.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
OLDEST_GLIBC = (2, 28)
"""Debian 10, RHEL 8, Anolis 8 and everything later."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A dependency of the lock file with the hashes of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]


def pins(lock: str) -> Iterator[Pin]:
    """Read a lock file."""
    for entry in lock.replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        requirement, *hashes = entry.split(" --hash=")
        yield Pin(Requirement(requirement.strip()), tuple(text.strip() for text in hashes))


def environment(python: str, architecture: str) -> dict[str, str]:
    """Markers of a target. Its patch release is not known: `.0` includes backports for early ones."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def platforms(architecture: str) -> Iterator[str]:
    """Name the platforms of wheels that run with the oldest glibc, the newest first."""
    major, newest = OLDEST_GLIBC
    for minor in range(newest, 4, -1):
        yield f"manylinux_{major}_{minor}_{architecture}"
    yield f"manylinux2014_{architecture}"
    yield f"linux_{architecture}"


def needs(pin: Pin, target: dict[str, str]) -> bool:
    """Whether a target needs a dependency."""
    return pin.requirement.marker is None or pin.requirement.marker.evaluate(target)


def served(pin: Pin, wheels: list[Path]) -> bool:
    """Whether there is a wheel that suits every Python version."""
    for wheel in wheels:
        name, _, _, tags = parse_wheel_filename(wheel.name)
        if name == canonicalize_name(pin.requirement.name) and all(tag.abi in {"none", "abi3"} for tag in tags):
            return True
    return False


def download(locked: list[Pin], python: str, architecture: str, folder: Path) -> None:
    """Fetch the dependencies of a target."""
    target = environment(python, architecture)
    wheels = list(folder.glob("*.whl"))
    wanted = [pin for pin in locked if needs(pin, target) and not served(pin, wheels)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for pin in wanted:
            hashes = " ".join(f"--hash={text}" for text in pin.hashes)
            file.write(f"{pin.requirement.name}{pin.requirement.specifier} {hashes}\n")
        file.flush()
        pip(
            *("download", "--no-deps", "--require-hashes", "--requirement", file.name, "--dest", str(folder)),
            *("--implementation", "cp", "--python-version", python),
            *(f"--platform={name}" for name in platforms(architecture)),
        )


def build_sources(folder: Path) -> None:
    """Build wheels of dependencies that are published as source only. They must be pure Python."""
    for source in sorted(folder.glob("*.tar.gz")):
        before = set(folder.glob("*.whl"))
        pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
        (wheel,) = set(folder.glob("*.whl")) - before
        if not wheel.name.endswith("-none-any.whl"):
            sys.exit(f"wheelhouse.py: {source.name} has compiled modules: {wheel.name} would only run on this machine")
        source.unlink()


def build_exporter(folder: Path) -> None:
    """Build the wheel of the exporter."""
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))


def requirements(locked: list[Pin], wheels: list[Path]) -> Iterator[str]:
    """Pin the wheels at hand with their hashes."""
    markers = {canonicalize_name(pin.requirement.name): pin.requirement.marker for pin in locked}
    hashes: dict[str, list[str]] = {}
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        marker = f" ; {markers[name]}" if markers.get(name) else ""
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        hashes.setdefault(f"{name}=={version}{marker}", []).append(f"--hash=sha256:{digest}")
    for requirement, digests in sorted(hashes.items()):
        yield " \\\n    ".join([requirement, *sorted(digests)])


def pip(*arguments: str) -> None:
    """Run pip; its warnings about mirrors are of no use here, its errors are."""
    run("-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def run(*arguments: str) -> None:
    """Run a module of this Python; on failure, show its output and exit."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        sys.exit(f"wheelhouse.py: `python {' '.join(arguments[:4])} …` failed; see its output above")


def main() -> None:
    """Collect the wheels that the flags name."""
    parser = argparse.ArgumentParser(description="Collect the wheels of the exporter and its dependencies.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--architecture", required=True, choices=("x86_64", "aarch64"))
    parser.add_argument("--python", action="append", help="such as 3.12; several are possible")
    arguments = parser.parse_args()
    folder: Path = arguments.out / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    locked = list(pins((ROOT / "requirements.lock").read_text("utf-8")))
    for python in arguments.python or PYTHONS:
        download(locked, python, arguments.architecture, folder)
    build_sources(folder)
    build_exporter(folder)
    pinned = requirements(locked, sorted(folder.glob("*.whl")))
    (arguments.out / "requirements.txt").write_text("".join(f"{line}\n" for line in pinned), "utf-8")


if __name__ == "__main__":
    main()
