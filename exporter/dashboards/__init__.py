"""The Grafana dashboards, as JSON that grafana/code builds; package data, so that every installation has them."""

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files


class Dashboard(StrEnum):
    """The dashboards, by the names of their files."""

    OVERVIEW = "overview"
    EXPORTER_HEALTH = "exporter-health"

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self}.json"

    def text(self, values: Mapping[str, str] | None = None) -> str:
        """Its JSON.

        Args:
            values: of its constants and text boxes by name. The others keep their defaults, and values of variables
                that it does not have are ignored.
        """
        text = files(__name__).joinpath(self.file_name).read_text(encoding="utf-8")
        return _with_values(text, values) if values else text


def _with_values(text: str, values: Mapping[str, str]) -> str:
    board = json.loads(text)
    for variable in board["templating"]["list"]:
        if variable["type"] in {"constant", "textbox"} and variable["name"] in values:
            value = values[variable["name"]]
            variable["query"] = value
            if "current" in variable:
                variable["current"] |= {"text": value, "value": value}
    return json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
