"""Builds the documentation site, in English and Chinese, from docs/ with MkDocs Material.

The documents stay where GitHub shows them. They are copied into one folder a language, with their links rewritten, since
MkDocs wants all pages below one folder. A page without a translation is shown in English on the Chinese side.

usage: build_site.py OUT
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
REPOSITORY: Final = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter"
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_LINK: Final = re.compile(r"(?P<text>!?\[[^\]]*\])\((?!https?:|mailto:|#)(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_OUTSIDE: Final = {"CHANGELOG.md": "en/changelog.md", "README.md": "en/index.md", "README.zh-CN.md": "zh/index.md"}
"""Documents outside docs/ that are pages of the site."""


def place(path: str) -> str | None:
    """Where a file of the repository is on the site, or None if it is not part of it."""
    if path in _OUTSIDE:
        return _OUTSIDE[path]
    if not path.startswith("docs/") or path.endswith(".po"):
        return None
    inside = path.removeprefix("docs/")
    if inside.startswith("images/"):
        return f"en/{inside}"
    if inside.startswith("zh/"):
        return inside.replace("README.md", "contents.md")
    if inside.startswith("runbooks/zh/"):
        return "zh/runbooks/" + inside.removeprefix("runbooks/zh/")
    return f"en/{inside}"


def relink(text: str, path: str) -> str:
    """The document at ``path`` with links that are right on the site; files that are not on it are linked on GitHub."""
    here = place(path)
    if here is None:
        raise ValueError(f"{path} is not part of the site")
    language, folder = here.split("/", 1)[0], posixpath.dirname(here)

    def replace(match: re.Match[str]) -> str:
        text, anchor = match["text"], match["anchor"] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["target"]))
        placed = place(target)
        if placed is None:
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"{text}({REPOSITORY}/{kind}/main/{target}{anchor})"
        inside = placed.split("/", 1)[1]
        # A Chinese page links to English pages for lack of a Chinese one, unless it is the same page.
        if not placed.startswith(language) and (language == "en" or f"{language}/{inside}" == here):
            # MkDocs checks links within a language only, and none in HTML.
            return f'<a href="{_other_language(placed, here)}">{text[1:-1]}</a>'
        return f"{text}({posixpath.relpath(f'{language}/{inside}', folder)}{anchor})"

    lines = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else _LINK.sub(replace, line))
    return "\n".join(lines)


def _other_language(placed: str, here: str) -> str:
    """The link from the page ``here`` to a page in the other language; English is at the root of the site."""
    source, target = (path.removeprefix("en/") for path in (here, placed))
    page = re.sub(r"README\.md$", "index.md", target).removesuffix(".md") + ".html"
    return posixpath.relpath(page, posixpath.dirname(source))


def sources() -> list[str]:
    """All files of the site, relative to the repository."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*")) if path.is_file()]
    return [*found, *(name for name in _OUTSIDE if (ROOT / name).is_file())]


def stage(folder: Path) -> None:
    """Copy everything into ``folder``/en and ``folder``/zh."""
    for path in sources():
        placed = place(path)
        if placed is None:
            continue
        target = folder / placed
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".md"):
            target.write_text(relink((ROOT / path).read_text("utf-8"), path), "utf-8")
        else:
            shutil.copyfile(ROOT / path, target)


def main(out: Path) -> None:
    """Build the site into ``out``; any warning of MkDocs, such as a link that leads nowhere, is an error."""
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder) / "docs")
        config = Path(folder) / "mkdocs.yml"
        shutil.copyfile(ROOT / "mkdocs.yml", config)
        command = ["mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(out.resolve())]
        # Without its advertisement of another tool.
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        subprocess.run(command, check=True, env=environment)  # noqa: S603 - a command of our own


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder]:
            main(Path(folder))
        case _:
            sys.exit(__doc__)
