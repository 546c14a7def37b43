"""Links of documents that were copied to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.translations import links

if TYPE_CHECKING:
    from pathlib import Path


def dead_links(folder: Path) -> list[str]:
    """The relative links of all documents in a folder that lead to nothing."""
    return [
        f"{document.relative_to(folder)}: {link}"
        for document in sorted(folder.rglob("*.md"))
        for link in links(document.read_text(encoding="utf-8"))
        if "://" not in link and not (document.parent / link.partition("#")[0]).exists()
    ]
