"""Errors of the API."""

from __future__ import annotations

import json
from http import HTTPStatus

from exporter.web.problems import problem


def test_a_problem_says_what_is_wrong() -> None:
    found = problem("limit must be <b>", HTTPStatus.BAD_REQUEST)
    assert (found.status, found.media_type) == (400, "application/problem+json")
    assert json.loads(found.body) == {"title": "Bad Request", "status": 400, "detail": "limit must be <b>"}
