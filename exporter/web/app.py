"""The routes: metrics, landing page, health, readiness, reload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.config.faults import ReloadError
from exporter.web.page import landing_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from exporter.clock import Clock
    from exporter.metrics.exposition import Exposition
    from exporter.store import Store

_log = structlog.get_logger(__name__)
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes show and do.

    Attributes:
        exposition: what `/metrics` answers with.
        store: the state that page and readiness look at.
        stale_after: seconds from which the page calls data stale, as configured now.
        reload: loads the configuration anew, raising `ReloadError`; None where that is not allowed over HTTP.
        clock: where time comes from.
    """

    exposition: Exposition
    store: Store
    stale_after: Callable[[], float]
    reload: Callable[[], None] | None
    clock: Clock


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
        if served.reload is None:
            return PlainTextResponse("Reload over HTTP is off; start with --web.enable-lifecycle.\n", status_code=403)
        try:
            served.reload()
        except ReloadError as error:
            return PlainTextResponse(f"The old configuration stays in force:\n{error}\n", status_code=500)
        return PlainTextResponse("The new configuration is in force.\n")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/metrics", metrics),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/-/reload", reload, methods=["POST", "PUT"]),
        ],
    )
