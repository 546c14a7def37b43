"""The exporter's status over the API. Numbers are tested in test_lists_api.py."""

from __future__ import annotations

import json

from support.pages import AppWorld

from exporter.web.glance import state_at
from exporter.web.overview_api import OverviewApi


def test_problems_of_threads_are_part_of_the_status() -> None:
    world = AppWorld()
    state = state_at(world.index, world.config, world.served.zones()["acme"], world.clock.now())
    healthy, ill = OverviewApi(lambda: state, tuple), OverviewApi(lambda: state, lambda: ("web is stuck",))
    assert json.loads(healthy.status().body)["healthy"] is True
    found = json.loads(ill.status().body)
    assert (found["healthy"], found["problems"], found["time"]) == (False, ["web is stuck"], "2026-06-01T00:00:00Z")
    assert json.loads(healthy.organizations().body)[0]["organization"] == "acme"
