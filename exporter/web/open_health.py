"""Health endpoints that answer without authentication, with their status alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = frozenset({"/-/healthy", "/-/ready"})
_METHODS = frozenset({"GET", "HEAD"})
_FINE = 200


class OpenHealth:
    """Lets requests without credentials reach the health endpoints.

    The body of their responses is replaced, because it may name organizations.

    Args:
        app: the application.
        guarded: the application behind authentication.
        enabled: whether the endpoints are open.
    """

    def __init__(self, app: ASGIApp, guarded: ASGIApp, enabled: Callable[[], bool]) -> None:
        self._app = app
        self._guarded = guarded
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        if not is_open(scope) or not self._enabled():
            await self._guarded(scope, receive, send)
            return
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                body = b"OK\n" if status == _FINE else b"Not ready or not healthy.\n"
                headers = [
                    (b"content-type", b"text/plain; charset=utf-8"),
                    (b"content-length", str(len(body)).encode()),
                ]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

        await self._app(scope, receive, sending)


def is_open(scope: Scope) -> bool:
    """Whether a request without credentials asks for a health endpoint."""
    return (
        scope["type"] == "http"
        and scope["path"] in PATHS
        and scope["method"] in _METHODS
        and all(name != b"authorization" for name, _ in scope["headers"])
    )
