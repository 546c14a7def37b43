"""Writes the dashboards as JSON to exporter/dashboards. With --check, lists outdated files and exits with 1."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import health
import overview
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).resolve().parents[2] / "exporter" / "dashboards"


def texts() -> dict[str, str]:
    """The content of each file by name."""
    boards = {"overview.json": overview.build(), "exporter-health.json": health.build()}
    found = {}
    for name, board in boards.items():
        data = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(board.build()))
        data["id"] = None
        _tidy(data)
        found[name] = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return found


def _tidy(data: dict[str, Any]) -> None:
    """Remove what the SDK writes and some supported release of Grafana does not know."""
    for one in (*data["links"], *data.get("annotations", {}).get("list", ())):
        # Grafana 11 does not know it, and later releases would hide links and annotations in a menu.
        one.pop("placement", None)
    for variable in data["templating"]["list"]:
        for key in [key for key in variable if key == "id" or key.startswith("auto")]:
            del variable[key]
    data.pop("style", None)
    panels = [panel for outer in data["panels"] for panel in (outer, *outer.get("panels", ()))]
    for number, panel in enumerate(panels, start=1):
        panel["id"] = number
        options = panel.get("options", {})
        if panel["type"] == "table":
            options.pop("footer", None)
        if panel["type"] == "heatmap":
            options["tooltip"] = {"mode": "single", "yHistogram": False}


def main() -> int:
    """Write the files, or check them."""
    stale = []
    for name, text in texts().items():
        file = FOLDER / name
        if "--check" not in sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"exporter/dashboards/{name} is outdated; run: make dashboards", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
