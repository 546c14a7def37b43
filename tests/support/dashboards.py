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
VALUES = {
    "organization": ".*",
    "user": ".*",
    "permission": ".*",
    "owner_label": "department",
    "owner": ".*",
    "exporter_url": "",
    "warning_days": "14",
    "critical_days": "3",
    "__rate_interval": "10s",
    "__interval": "10s",
}


@dataclass(frozen=True)
class Query:
    """One query of one panel, or of annotations."""

    board: str
    panel: str
    expr: str

    def filled(self, **variables: str) -> str:
        """The expression as Grafana would send it, by default with all values selected."""
        values = VALUES | variables
        return re.sub(r"\$([a-z_]+)", lambda match: values[match[1]], self.expr)


def boards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, those in collapsed rows included."""
    every = [panel for outer in board["panels"] for panel in (outer, *outer.get("panels", ()))]
    return [panel for panel in every if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["expr"])


def marks() -> Iterator[Query]:
    for name, board in boards().items():
        for one in board.get("annotations", {}).get("list", ()):
            yield Query(name, one["name"], one["expr"])
