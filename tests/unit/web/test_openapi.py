"""The description of the API names every list, parameter and key."""

from __future__ import annotations

import json
from typing import Any

from exporter.web import parameters
from exporter.web.openapi import document

DOCUMENT: dict[str, Any] = json.loads(document())


def test_every_list_is_described_with_its_parameters() -> None:
    known = {
        "/tokens": parameters.TOKENS, "/users": parameters.USERS, "/violations": parameters.VIOLATIONS,
        "/events": parameters.EVENTS, "/calendar.ics": parameters.CALENDAR, "/organizations": (), "/status": (),
        "/openapi.json": (),
    }  # fmt: skip
    described = {path: [one["name"] for one in item["get"]["parameters"]] for path, item in DOCUMENT["paths"].items()}
    assert described == {path: [one.name for one in every] for path, every in known.items()}


def test_every_reference_leads_somewhere() -> None:
    text = document().decode()
    named = set(DOCUMENT["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used == named
