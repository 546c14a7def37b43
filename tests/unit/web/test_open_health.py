from __future__ import annotations

import pytest
from support.asgi import answering, call

from exporter.web.open_health import OpenHealth

GUARDED = answering(401, b"Unauthorized")


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_is_open_and_says_no_more_than_its_status(path: str) -> None:
    fine = OpenHealth(answering(200, b"ready"), GUARDED, lambda: True)
    assert (call(fine, path).status, call(fine, path).body) == (200, b"OK\n")
    not_ready = OpenHealth(answering(503, b"no sweep of acme"), GUARDED, lambda: True)
    reply = call(not_ready, path)
    assert (reply.status, reply.body) == (503, b"Not ready or not healthy.\n")
    assert reply.headers["content-length"] == str(len(reply.body))
    head = call(not_ready, path, "HEAD")
    assert (head.status, head.body) == (503, b"")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/metrics", "GET"),
        ("/", "GET"),
        ("/-/reload", "POST"),
        ("/-/healthy", "POST"),
        ("/-/healthy/", "GET"),
        ("//-/healthy", "GET"),
        ("/api/v1/tokens/-/healthy", "GET"),
    ],
)
def test_everything_else_is_guarded(path: str, method: str) -> None:
    app = OpenHealth(answering(200, b"secret"), GUARDED, lambda: True)
    assert (call(app, path, method).status, call(app, path, method).body) == (401, b"Unauthorized")


def test_credentials_are_checked_even_there() -> None:
    app = OpenHealth(answering(200, b""), GUARDED, lambda: True)
    assert call(app, "/-/ready", authorization="Basic eA==").status == 401


def test_health_is_guarded_unless_it_is_enabled() -> None:
    assert call(OpenHealth(answering(200, b""), GUARDED, lambda: False), "/-/ready").status == 401
