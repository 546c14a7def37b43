"""The routes: metrics, landing page, health, readiness, reload."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.audit import KEPT
from exporter.config.faults import ReloadError
from exporter.listing import records, rows
from exporter.web.page import landing_page
from exporter.wording import utc_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from exporter.clock import Clock
    from exporter.events import Event
    from exporter.metrics.exposition import Exposition
    from exporter.store import Store

_log = structlog.get_logger(__name__)
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


_API_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_DIGITS = 9
"""As many digits of a limit as are looked at: more events than can be told apart from all."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes show and do.

    Attributes:
        exposition: what `/metrics` answers with.
        store: the state that page and readiness look at.
        events: what has changed about tokens, newest first.
        stale_after: seconds from which the page calls data stale, as configured now.
        reload: loads the configuration anew, raising `ReloadError`; None where that is not allowed over HTTP.
        clock: where time comes from.
    """

    exposition: Exposition
    store: Store
    stale_after: Callable[[], float]
    events: Callable[[], Sequence[Event]]
    reload: Callable[[], None] | None
    clock: Clock


class _TokenList:
    """What `tokens --output json` prints, in one line; one at a time, for it takes memory, and kept for a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Guards the fields below, and is held while a body is made.
        self._lock = threading.Lock()
        self._second = -1
        self._body = b""
        self._left_out = 0

    def body(self) -> tuple[bytes, int]:
        """The list as JSON, and how many tokens are not in it since they are only counted."""
        with self._lock:
            now = self._clock.now()
            if int(now) != self._second:
                view = self._store.view()
                listed = rows(view, now, within=None, expired=True)
                self._body, self._second = msgspec.json.encode(records(listed, now)), int(now)
                self._left_out = sum(state.tokens_left_out for one in view.organizations for state in one.users)
            return self._body, self._left_out


def create_app(served: Served) -> Starlette:
    """The application. Handlers that do work are plain functions, which Starlette runs off its event loop."""

    def metrics(request: Request) -> Response:
        body = served.exposition.scrape(request.headers.get("accept", ""), request.headers.get("accept-encoding", ""))
        headers = {"Content-Type": body.content_type, "Vary": "Accept, Accept-Encoding"}
        if body.encoding is not None:
            headers["Content-Encoding"] = body.encoding
        return Response(body.content, headers=headers)

    def page(_: Request) -> Response:
        html = landing_page(served.store.view(), served.clock.now(), served.stale_after())
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    listed = _TokenList(served.store, served.clock)

    def tokens(_: Request) -> Response:
        body, left_out = listed.body()
        headers = _API_HEADERS | {"X-Tokens-Left-Out": str(left_out)}
        return Response(body, media_type="application/json", headers=headers)

    def events(request: Request) -> Response:
        return _events(served.events(), request.query_params.get("limit", str(KEPT)))

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("yunxiao-token-exporter is healthy.\n")

    def ready(_: Request) -> Response:
        view = served.store.view()
        if not view.ready:
            waiting = [one for one in view.organizations if not one.ready]
            # Whose users are not known yet has nobody to sweep, which is no news.
            missing = "no sweep completed yet" if any(one.sweep is None for one in waiting) else "no list of users yet"
            names = ", ".join(one.name for one in waiting) or "any organization"
            return PlainTextResponse(f"Not ready: {missing} of {names}.\n", status_code=503)
        return PlainTextResponse("yunxiao-token-exporter is ready.\n")

    def reload(_: Request) -> Response:
        return _reload(served.reload)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/metrics", metrics),
            Route("/api/v1/tokens", tokens),
            Route("/api/v1/events", events),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/-/reload", reload, methods=["POST", "PUT"]),
        ],
    )


def _reload(reload: Callable[[], None] | None) -> Response:
    if reload is None:
        return PlainTextResponse("Reload over HTTP is off; start with --web.enable-lifecycle.\n", status_code=403)
    try:
        reload()
    except ReloadError as error:
        return PlainTextResponse(f"The old configuration stays in force:\n{error}\n", status_code=500)
    return PlainTextResponse("The new configuration is in force.\n")


def _as_json(event: Event) -> dict[str, object]:
    return {
        "time": utc_exact(event.time),
        "organization": event.organization,
        "event": event.change.value,
        "user_id": event.user_id,
        "user": event.user,
        "token_id": event.token_id,
        "token": event.token,
        **event.details(),
    }


def _events(newest_first: Sequence[Event], limit: str) -> Response:
    if not limit.isascii() or not limit.isdigit():
        return PlainTextResponse("limit must be a whole number, such as ?limit=20.\n", status_code=400)
    found = [_as_json(event) for event in newest_first[: int(limit.lstrip("0")[:_DIGITS] or "0")]]
    return Response(json.dumps(found, ensure_ascii=False), media_type="application/json", headers=_API_HEADERS)
