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
