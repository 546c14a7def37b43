"""Lays out the files of the Debian and RPM packages.

usage: package_tree.py WHEELS TREE

TREE gets the modules from the folder WHEELS and the files of the repository, where nfpm.yaml expects them. One package
serves several Python versions: pure modules are in `common`, compiled ones in a folder for each version.
"""

from __future__ import annotations

import argparse
import email
import gzip
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

ROOT: Final = Path(__file__).parents[1]
NAME: Final = "yunxiao-token-exporter"
PACKAGES: Final = ROOT / "deploy/packages"
CLASSIFIER: Final = "License :: OSI Approved :: "


def folder_of(wheel: Path) -> str:
    """Name the folder of a wheel's modules: `common`, unless it is compiled for one Python version."""
    _, _, _, tags = parse_wheel_filename(wheel.name)
    versions = {tag.interpreter for tag in tags if tag.abi.startswith("cp")}
    if not versions:
        return "common"
    (version,) = versions
    return f"python{version[2]}.{version[3:]}"


def unpack(wheels: list[Path], library: Path) -> list[Message]:
    """Unpack wheels, and return the metadata of each distribution once."""
    known: dict[str, Message] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            # Scripts and tests of dependencies are not needed.
            names = [name for name in archive.namelist() if ".data/" not in name and "/tests/" not in name]
            archive.extractall(library / folder_of(wheel), names)
            (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
            described = email.message_from_bytes(archive.read(metadata))
            known[described["Name"]] = described
    return [known[name] for name in sorted(known, key=str.lower)]


def license_of(metadata: Message) -> str:
    """A distribution's license in a line."""
    classifiers = (text for text in metadata.get_all("Classifier", []) if text.startswith(CLASSIFIER))
    stated = metadata["License-Expression"] or metadata["License"] or next(classifiers, "").removeprefix(CLASSIFIER)
    if not stated:
        sys.exit(f"package_tree.py: the wheel of {metadata['Name']} does not state its license")
    return str(stated).splitlines()[0]


def copyright_file(distributions: list[Message]) -> Iterator[str]:
    """Write the copyright file, in Debian's machine-readable form; license texts of dependencies are in their folders."""
    yield (PACKAGES / "copyright").read_text("utf-8").rstrip("\n")
    for metadata in distributions:
        if metadata["Name"] == NAME:
            continue
        module = metadata["Name"].lower().replace("-", "_").replace(".", "_")
        yield (
            f"\nFiles: usr/lib/{NAME}/*/{module}*\n"
            f"Copyright: the authors of {metadata['Name']} {metadata['Version']}\n"
            f"License: {license_of(metadata)}\n"
            f" The text is in usr/lib/{NAME}/*/{module}-*.dist-info/."
        )


def compress(source: Path, target: Path) -> None:
    """Compress a document without its time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), mtime=0))


def copy(source: Path, target: Path, mode: int = 0o644) -> None:
    """Copy a file of the repository."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def copy_repository(tree: Path) -> None:
    """Copy the command, the unit, rules and dashboards; place_documents.py copies the documents."""
    share, documents = tree / "usr/share" / NAME, tree / "usr/share/doc" / NAME
    copy(PACKAGES / "launch.sh", tree / "usr/bin" / NAME, 0o755)
    copy(PACKAGES / "launch.py", tree / "usr/lib" / NAME / "launch.py")
    copy(PACKAGES / "scripts/bytecode.sh", tree / "usr/lib" / NAME / "bytecode.sh", 0o755)
    copy(PACKAGES / "sysusers.conf", tree / f"usr/lib/sysusers.d/{NAME}.conf")
    for unit in (ROOT / "deploy/systemd").glob(f"{NAME}.*"):
        copy(unit, tree / "usr/lib/systemd/system" / unit.name)
    copy(PACKAGES / "environment", tree / "etc/default" / NAME)
    copy(ROOT / "prometheus/rules.yaml", share / "prometheus/rules.yaml")
    copy(ROOT / "deploy/helm" / NAME / "files/rules.zh.yaml", share / "prometheus/rules.zh.yaml")
    for dashboard in (ROOT / "exporter/dashboards").glob("*.json"):
        copy(dashboard, share / "grafana" / dashboard.name)
    compress(ROOT / "CHANGELOG.md", documents / "changelog.gz")


def main() -> None:
    """Lay out the files."""
    parser = argparse.ArgumentParser(description="Lay out the files of the Debian and RPM packages.")
    parser.add_argument("wheels", type=Path)
    parser.add_argument("tree", type=Path)
    arguments = parser.parse_args()
    tree: Path = arguments.tree
    distributions = unpack(sorted(arguments.wheels.glob("*.whl")), tree / "usr/lib" / NAME)
    copy_repository(tree)
    text = "\n".join(copyright_file(distributions))
    (tree / "usr/share/doc" / NAME / "copyright").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
