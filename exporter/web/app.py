"""The routes: metrics, pages, runbooks, JSON API, health, readiness, reload."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.config.errors import ReloadError
from exporter.metrics.encoding import Format, gzip_accepted, preferred_format
from exporter.web.api import EventList, invalid_limit
from exporter.web.deliveries import Deliveries, busy
from exporter.web.documents import INDEX, PLATFORM, find_document, rendered
from exporter.web.languages import chosen_language, language_of
from exporter.web.pages import HEADERS as PAGE_HEADERS
from exporter.web.problems import problem
from exporter.web.single_flight import BusyError, SingleFlight
from exporter.web.site import Site
from exporter.web.streams import StreamedResponse, Streams
from exporter.web.token_list import TokenList

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from exporter.web.refusals import Refusals
    from exporter.web.served import Served
    from exporter.web.token_list import TokenListing

_API_HEADERS = {"Cache-Control": "no-store"}


class _Routes:
    """The handlers. Expensive work runs in threads, once for all concurrent requests."""

    def __init__(self, served: Served, refusals: Refusals) -> None:
        store, clock, exposition = served.store, served.clock, served.exposition
        self._problems = served.problems
        self._deliveries = Deliveries(clock, refusals)
        self._scrapes = {
            (form, packed): SingleFlight(functools.partial(exposition.body, form, packed=packed))
            for form in Format
            for packed in (False, True)
        }
        self._streams = Streams(clock, refusals)
        self._tokens = TokenList(served.index, clock, refusals)
        self._events = SingleFlight(EventList(served.events, refusals).encoded)
        self._views = SingleFlight(store.view)
        self._reloads = SingleFlight(lambda: _reload(served.reload))
        self._language = served.language
        self.site = Site(served, refusals, self._deliveries, self._streams)

    async def metrics(self, request: Request) -> Response:
        form = preferred_format(request.headers.get("accept", ""))
        packed = gzip_accepted(request.headers.get("accept-encoding", ""))
        body = await self._scrapes[form, packed].result()
        headers = {"Content-Type": body.content_type, "Vary": "Accept, Accept-Encoding"}
        if body.encoding is not None:
            headers["Content-Encoding"] = body.encoding
        return self._deliveries.response(body, headers)

    async def tokens(self, request: Request) -> Response:
        if request.query_params:
            return await self.site.rows("tokens", request)

        def begin() -> tuple[dict[str, str], TokenListing]:
            listing = self._tokens.begin()
            return {"X-Tokens-Left-Out": str(listing.left_out)}, listing

        return StreamedResponse(self._streams, begin, _API_HEADERS, "application/json")

    async def events(self, request: Request) -> Response:
        if not {*request.query_params} <= {"limit"}:
            return await self.site.rows("events", request)
        limit = request.query_params.get("limit")
        if limit is not None and invalid_limit(limit):
            refused = problem("limit must be a whole number, such as ?limit=20")
            return Response(refused.body, refused.status, refused.headers, refused.media_type)
        encoded = await self._events.result()
        return self._deliveries.response(encoded.newest(limit), _API_HEADERS, "application/json")

    async def runbook(self, request: Request) -> Response:
        return self._document(request.path_params["name"], request)

    async def runbooks(self, request: Request) -> Response:
        return self._document(INDEX, request)

    async def platform(self, request: Request) -> Response:
        return self._document(PLATFORM, request)

    def _document(self, name: str, request: Request) -> Response:
        found = find_document(name, language_of(request, self._language()), chosen=chosen_language(request) is not None)
        if found is None:
            return _no_page("There is no runbook of this name; /runbooks/ lists all.")
        headers = PAGE_HEADERS | {
            "Cache-Control": "no-store",
            "Content-Language": found.language.value,
            "Vary": "Accept-Language",
        }
        return self._deliveries.response(rendered(found), headers, "text/html")

    async def healthy(self, _: Request) -> Response:
        return _health(self._problems())

    async def ready(self, _: Request) -> Response:
        view = await self._views.result()
        if not view.ready:
            waiting = [one for one in view.organizations if not one.ready]
            # An organization without a list of users sweeps none, so name a missing sweep first.
            missing = "no sweep completed yet" if any(one.sweep is None for one in waiting) else "no list of users yet"
            names = ", ".join(one.name for one in waiting) or "any organization"
            return PlainTextResponse(f"Not ready: {missing} of {names}.\n", status_code=503)
        return PlainTextResponse("yunxiao-token-exporter is ready.\n")

    async def reload(self, _: Request) -> Response:
        status, text = await self._reloads.result()
        return PlainTextResponse(text, status_code=status)


def create_app(served: Served, refusals: Refusals) -> Starlette:
    """The application.

    Args:
        served: what the routes expose.
        refusals: counts clients that are refused.
    """
    to = _Routes(served, refusals)

    async def refuse(_: Request, __: Exception) -> Response:
        return busy()

    app = Starlette(
        routes=[
            Route("/metrics", to.metrics),
            Route("/api/v1/tokens", to.tokens),
            Route("/api/v1/events", to.events),
            Route("/runbooks/", to.runbooks),
            Route("/runbooks/{name}", to.runbook),
            Route("/docs/platform", to.platform),
            Route("/-/healthy", to.healthy),
            Route("/-/ready", to.ready),
            Route("/-/reload", to.reload, methods=["POST", "PUT"]),
            *to.site.routes(),
        ],
        exception_handlers={BusyError: refuse},
    )
    # A redirect would go to whatever host the client names.
    app.router.redirect_slashes = False
    return app


def _no_page(why: str = "There is no such page.") -> Response:
    return PlainTextResponse(f"{why}\n", status_code=404)


def _health(problems: tuple[str, ...]) -> Response:
    if problems:
        return PlainTextResponse(f"Not healthy: {'; '.join(problems)}.\n", status_code=503)
    return PlainTextResponse("yunxiao-token-exporter is healthy.\n")


def _reload(reload: Callable[[], None] | None) -> tuple[int, str]:
    """Status and text of the response."""
    if reload is None:
        return 403, "Reloading over HTTP is disabled; start with --web.enable-lifecycle.\n"
    try:
        reload()
    except ReloadError as error:
        return 500, f"Reload failed, the previous configuration stays in effect:\n{error}\n"
    return 200, "Configuration reloaded.\n"
