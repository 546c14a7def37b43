"""Style sheet and script of the pages, with their digests in their addresses, so that browsers may keep them."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file.

    Attributes:
        address: its name with its digest.
        content: its content.
        media_type: its type.
    """

    address: str
    content: bytes
    media_type: str


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """The static files by name."""
    found = {}
    for name, media_type in _TYPES.items():
        content = (files("exporter.web") / "static" / name).read_bytes()
        stem, _, suffix = name.rpartition(".")
        address = f"{stem}.{hashlib.sha256(content).hexdigest()[:_DIGITS]}.{suffix}"
        found[name] = StaticFile(address, content, media_type)
    return found


@functools.cache
def addresses() -> Mapping[str, str]:
    """The addresses of the static files by name."""
    return {name: one.address for name, one in static_files().items()}


def static_file(address: str) -> StaticFile | None:
    """The file with an address; None if there is none, or its content has changed."""
    return next((one for one in static_files().values() if one.address == address), None)
