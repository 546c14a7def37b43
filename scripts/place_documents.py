"""Copies the documents of the repository, with the files they refer to, into a bundle or a package.

usage: place_documents.py bundle|package TARGET

TARGET is the folder of a bundle, or `usr/share` of a package. A relative link leads to where TARGET has the file, or
otherwise to the repository on the Internet, in the version of the release.
"""

from __future__ import annotations

import argparse
import os.path
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[1]
NAME: Final = "yunxiao-token-exporter"
REPOSITORY: Final = f"{NAME}/{NAME}"
LINK: Final = re.compile(r"""(?P<before>\]\(|\bsrc=")(?P<target>[^)"#\s]+)""")
FENCE: Final = "```"
IMAGE: Final = ".png"


def version() -> str:
    """Tell the version, without importing the exporter and what it needs."""
    text = (ROOT / "exporter/__init__.py").read_text("utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def found(*patterns: str) -> list[str]:
    """Files of the repository, as paths below it."""
    files = (file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file())
    return [file.relative_to(ROOT).as_posix() for file in files]


def places(kind: str) -> dict[str, str]:
    """Map each file to its path below TARGET."""
    if kind == "bundle":  # README.md in its first folder is the bundle's own
        documents = files = ""
        readme = "docs/"
    else:
        documents, files = f"doc/{NAME}/", f"{NAME}/"
        readme = documents
    return {
        **{name: readme + name for name in found("README*.md", "SECURITY.md")},
        **{name: documents + name for name in found("docs/**/*.md")},
        **{name: files + name for name in found("config.example*.yaml")},
        **{
            name: files + name.removeprefix("deploy/")
            for name in found("deploy/alertmanager*", "deploy/alertmanager/**/*")
        },
    }


def with_links(text: str, source: str, known: Mapping[str, str]) -> str:
    """Let the relative links of a document lead to where the files are now.

    Args:
        text: the document, in Markdown.
        source: its path in the repository.
        known: paths in the repository to paths below TARGET, that of the document among them.
    """

    def moved(match: re.Match[str]) -> str:
        before, target = match["before"], match["target"]
        if re.match(r"[a-z][a-z+.-]*:", target):
            return match[0]
        path = os.path.normpath(os.path.join(os.path.dirname(source), target))  # noqa: PTH118, PTH120 - paths with ..
        if path in known:
            return before + os.path.relpath(known[path], os.path.dirname(known[source]))  # noqa: PTH120 - the same
        if path.endswith(IMAGE):
            return f"{before}https://raw.githubusercontent.com/{REPOSITORY}/v{version()}/{path}"
        return f"{before}https://github.com/{REPOSITORY}/blob/v{version()}/{path}"

    parts = text.split(FENCE)  # every second part is code
    return FENCE.join(part if index % 2 else LINK.sub(moved, part) for index, part in enumerate(parts))


def place(kind: str, target: Path, more: Mapping[str, str]) -> None:
    """Copy the files; ``more`` are those that others copy."""
    own = places(kind)
    for name, path in own.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            file.write_text(with_links((ROOT / name).read_text("utf-8"), name, {**own, **more}), "utf-8")
        else:
            shutil.copyfile(ROOT / name, file)
        file.chmod(0o644)


MORE: Final = {
    "bundle": {name: name for name in ("CHANGELOG.md", "LICENSE", "prometheus/rules.yaml")},
    "package": {
        "CHANGELOG.md": f"doc/{NAME}/changelog.gz",
        "prometheus/rules.yaml": f"{NAME}/prometheus/rules.yaml",
    },
}
"""Files that a bundle or package has for other reasons, to which documents refer."""


def main() -> None:
    """Copy the documents."""
    parser = argparse.ArgumentParser(description="Copy the documents into a bundle or a package.")
    parser.add_argument("kind", choices=sorted(MORE))
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    place(arguments.kind, arguments.target, MORE[arguments.kind])


if __name__ == "__main__":
    main()
