"""Errors of the API, as RFC 9457 describes them."""

from __future__ import annotations

import json
from http import HTTPStatus

from exporter.web.answers import Answer

PROBLEM = "application/problem+json"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def problem(detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Answer:
    """A response that says what is wrong.

    Args:
        detail: what, and what to do about it.
        status: the status code.
    """
    body = {"title": status.phrase, "status": status.value, "detail": detail}
    return Answer(json.dumps(body).encode() + b"\n", PROBLEM, status.value, _HEADERS)
