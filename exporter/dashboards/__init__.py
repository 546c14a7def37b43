"""The Grafana dashboards, as JSON that grafana/code builds; package data, so that every installation has them."""

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

    def text(self) -> str:
        """Its JSON."""
        return files(__name__).joinpath(self.file_name).read_text(encoding="utf-8")
