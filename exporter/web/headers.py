"""Security headers of every response."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Headers = list[tuple[bytes, bytes]]

DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What a response gets if it sets no other value: a browser runs, frames and shares nothing of it."""
_DEFAULTS = tuple((name.lower().encode(), value.encode()) for name, value in DEFAULTS.items())


class SecurityHeaders:
    """Adds the default headers to all responses, and replaces those that the web configuration sets.

    Args:
        app: the application.
        configured: the headers of the web configuration; an empty value removes a header.
    """

    def __init__(self, app: ASGIApp, configured: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._configured = configured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_headers(message.get("headers", ()), self._configured())}
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


def with_headers(headers: Iterable[tuple[bytes, bytes]], configured: Mapping[str, str]) -> Headers:
    """The headers of a response with the security headers.

    Args:
        headers: those of the response; they win over the defaults.
        configured: they win over all others; an empty value removes a header.
    """
    replaced = {name.lower().encode(): value.encode() for name, value in configured.items()}
    result = [(name, value) for name, value in headers if name.lower() not in replaced]
    present = {name.lower() for name, _ in result} | replaced.keys()
    result += [(name, value) for name, value in replaced.items() if value]
    result += [(name, value) for name, value in _DEFAULTS if name not in present]
    return result
