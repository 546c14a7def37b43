"""What a state file contains, for a search in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.state_file import rows

if TYPE_CHECKING:
    from pathlib import Path


def contents_of(path: Path) -> bytes:
    """All bytes of a state file and of the files beside it, and its rows without their compression."""
    files = [file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*"))]
    plain = list(rows(path))
    assert plain
    return b"\n".join((*files, *plain))
