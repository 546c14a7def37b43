"""Everything below a path."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from exporter.web.route_prefix import below_prefix, normalized_prefix, prefix_of


def asked(path: str, prefix: str = "/a/b", raw: bytes | None = None) -> tuple[int, str, str]:
    """Status, location and what the application sees."""
    seen: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        seen.append(f"{scope['path']} {scope['raw_path'].decode()}")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode() if raw is None else raw}

    async def ask() -> None:
        await below_prefix(app, prefix)(scope | {"headers": []}, receive, send)

    asyncio.run(ask())
    headers = dict(sent[0]["headers"])
    return sent[0]["status"], headers.get(b"location", b"").decode(), "".join(seen)


@pytest.mark.parametrize("path", ["/", "/a/b"])
def test_the_root_redirects_to_the_prefix(path: str) -> None:
    assert asked(path) == (302, "/a/b/", "")


def test_the_application_sees_paths_without_the_prefix() -> None:
    assert asked("/a/b/") == (200, "", "/ /")
    assert asked("/a/b/metrics") == (200, "", "/metrics /metrics")
    assert asked("/a/b/tokens/x/y", raw=b"/a/b/tokens/x%2Fy") == (200, "", "/tokens/x/y /tokens/x%2Fy")
    assert asked("/a/b/c d", raw=b"/a/%62/c%20d") == (200, "", "/c d /c%20d")


@pytest.mark.parametrize("path", ["/metrics", "/a/bc", "/a", "//"])
def test_nothing_is_served_beside_the_prefix(path: str) -> None:
    assert asked(path) == (404, "", "")


def test_without_a_prefix_the_application_stands_alone() -> None:
    assert asked("/metrics", prefix="") == (200, "", "/metrics /metrics")


def test_a_redirect_names_no_host_whatever_the_prefix_is() -> None:
    assert asked("/", prefix=normalized_prefix("//evil.example.com")) == (302, "/evil.example.com/", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/", ""), ("", ""), ("tokens", "/tokens"), ("/a/b/", "/a/b"), ("//a//b", "/a/b"), ("/%E4%BA%91", "/\u4e91")],
)
def test_a_prefix_has_a_slash_before_it_and_none_behind_it(text: str, expected: str) -> None:
    assert normalized_prefix(text) == expected


@pytest.mark.parametrize("text", ["/a?b", "/a#b", "/a b", "/../x", "/./x", "/a\\b", "/a\n"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a path such as /tokens"):
        normalized_prefix(text)


def test_the_prefix_is_that_of_the_external_url_unless_one_is_given() -> None:
    assert prefix_of(None, "https://x.example.com/tokens") == "/tokens"
    assert prefix_of("/", "https://x.example.com/tokens") == ""
    assert prefix_of("/y", None) == "/y"
    assert prefix_of(None, None) == ""
