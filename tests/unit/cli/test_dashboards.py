"""The packaged dashboards, by the names that the command takes."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from exporter.dashboards import Dashboard


@pytest.mark.parametrize("dashboard", Dashboard)
def test_each_name_is_a_packaged_dashboard(dashboard: Dashboard) -> None:
    assert json.loads(dashboard.text())["title"].startswith("Yunxiao tokens / ")


def test_every_packaged_file_has_a_name() -> None:
    packaged = {file.name for file in files("exporter.dashboards").iterdir() if file.name.endswith(".json")}
    assert packaged == {dashboard.file_name for dashboard in Dashboard}


def test_values_of_the_configuration_replace_the_defaults() -> None:
    values = {"warning_days": "30", "critical_days": "0.5", "exporter_url": "https://x.example", "user": "ignored"}
    shown = {
        variable["name"]: variable["query"]
        for variable in json.loads(Dashboard.OVERVIEW.text(values))["templating"]["list"]
        if variable["type"] in {"constant", "textbox"}
    }
    assert shown == {"warning_days": "30", "critical_days": "0.5", "exporter_url": "https://x.example"}
    health = Dashboard.EXPORTER_HEALTH
    assert health.text(values) == health.text()


def test_the_unchanged_values_give_the_packaged_file() -> None:
    defaults = {"warning_days": "14", "critical_days": "3", "exporter_url": ""}
    assert Dashboard.OVERVIEW.text(defaults) == Dashboard.OVERVIEW.text()
