"""Serves an application below a path, as Prometheus does with `--web.route-prefix`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def normalized_prefix(text: str) -> str:
    """A route prefix with a slash before it and none behind it; "" for the root.

    Raises:
        ValueError: it cannot be the begin of a path.
    """
    if any(char in text for char in "?#\\") or any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError(f"{text!r} is not a valid route prefix; write a path such as /tokens")
    parts = [part for part in text.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise ValueError(f"{text!r} contains . or ..; write a path such as /tokens")
    return "".join(f"/{unquote(part)}" for part in parts)


def prefix_of(route_prefix: str | None, external_url: str | None) -> str:
    """The prefix in effect: the configured one, or else the path of the external URL.

    Raises:
        ValueError: it cannot be the begin of a path.
    """
    return normalized_prefix(urlsplit(external_url or "").path if route_prefix is None else route_prefix)


class RoutePrefix:
    """Removes the prefix from the path of a request; answers 404 outside of it, and redirects `/` to it.

    Args:
        app: the application.
        prefix: the result of `normalized_prefix`, not empty.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        self._raw = quote(prefix).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path in {"/", self._prefix}:
            # Without a host: a redirect must not lead to whatever host the client names.
            await RedirectResponse(f"{quote(self._prefix)}/", status_code=302)(scope, receive, send)
        elif path.startswith(f"{self._prefix}/"):
            raw: bytes = scope.get("raw_path") or b""
            # A client may encode the prefix in another way; then the decoded path has to do.
            below = path.removeprefix(self._prefix)
            kept = raw.removeprefix(self._raw) if raw.startswith(self._raw + b"/") else quote(below).encode()
            await self._app({**scope, "path": below, "raw_path": kept}, receive, send)
        else:
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)


def below_prefix(app: ASGIApp, prefix: str) -> ASGIApp:
    """The application below a prefix, or unchanged if that is empty."""
    return RoutePrefix(app, prefix) if prefix else app
