"""The built dashboards: their panels and queries."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "exporter/dashboards"
VALUES = {"organization": ".*", "user": ".*", "permission": ".*", "__rate_interval": "10s"}


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: str
    expr: str

    def filled(self) -> str:
        """The expression as Grafana would send it with all variables at All."""
        return re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], self.expr)


def boards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["expr"])
