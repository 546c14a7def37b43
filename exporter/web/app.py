"""The routes: metrics, pages, runbooks, JSON API, health, readiness, reload."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.config.errors import ReloadError
from exporter.metrics.encoding import Format, gzip_accepted, preferred_format
from exporter.texts.catalogue import Language
from exporter.web.api import EventList, invalid_limit
from exporter.web.deliveries import Deliveries, busy
from exporter.web.documents import INDEX, PLATFORM, find_document, rendered
from exporter.web.languages import chosen_language, language_of
from exporter.web.page import LandingPage
from exporter.web.single_flight import BusyError, SingleFlight
from exporter.web.streams import StreamedResponse, Streams
from exporter.web.subjects import SubjectPages
from exporter.web.token_list import TokenList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from starlette.requests import Request

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.metrics.exposition import Exposition
    from exporter.model.event import Event
    from exporter.state.store import Store
    from exporter.state.token_index import TokenIndex
    from exporter.web.refusals import Refusals
    from exporter.web.token_list import TokenListing

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""What the page needs; all responses get the other security headers from `headers.py`."""
_PARTS_OF_SUBJECT = 4
"""In /tokens/<organization>/<token id>, the empty one before the first slash included."""
_API_HEADERS = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes expose.

    Attributes:
        exposition: renders `/metrics`.
        store: the state of all users.
        index: the same as numbers and sorted tokens.
        stale_after: seconds after which the page shows data as stale.
        events: the latest changes of tokens, newest first.
        reload: reloads the configuration, raising `ReloadError`; None if that is not allowed over HTTP.
        clock: the current time.
        problems: problems of essential threads; empty if healthy.
        config: the configuration in force, for the banners of the page; None for none.
        language: the language for clients that ask for none.
        zones: the time zone of each organization.
    """

    exposition: Exposition
    store: Store
    index: TokenIndex
    stale_after: Callable[[], float]
    events: Callable[[], Sequence[Event]]
    reload: Callable[[], None] | None
    clock: Clock
    problems: Callable[[], tuple[str, ...]] = tuple
    config: Callable[[], Config] | None = None
    language: Callable[[], Language] = lambda: Language.EN
    zones: Callable[[], Mapping[str, ZoneInfo]] = dict


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
        self._pages = SingleFlight(LandingPage(served.index, clock, refusals, served.stale_after, served.config).body)
        self._streams = Streams(clock, refusals)
        self._tokens = TokenList(served.index, clock, refusals)
        self._events = SingleFlight(EventList(served.events, refusals).encoded)
        self._views = SingleFlight(store.view)
        self._reloads = SingleFlight(lambda: _reload(served.reload))
        self._language = served.language
        self._subjects = SubjectPages(store, clock, served.zones)
        # Finding a token among many takes a thread a while: one at a time.
        self._searching = asyncio.Lock()

    async def metrics(self, request: Request) -> Response:
        form = preferred_format(request.headers.get("accept", ""))
        packed = gzip_accepted(request.headers.get("accept-encoding", ""))
        body = await self._scrapes[form, packed].result()
        headers = {"Content-Type": body.content_type, "Vary": "Accept, Accept-Encoding"}
        if body.encoding is not None:
            headers["Content-Encoding"] = body.encoding
        return self._deliveries.response(body, headers)

    async def page(self, _: Request) -> Response:
        return self._deliveries.response(await self._pages.result(), _PAGE_HEADERS, "text/html")

    async def tokens(self, _: Request) -> Response:
        def begin() -> tuple[dict[str, str], TokenListing]:
            listing = self._tokens.begin()
            return {"X-Tokens-Left-Out": str(listing.left_out)}, listing

        return StreamedResponse(self._streams, begin, _API_HEADERS, "application/json")

    async def events(self, request: Request) -> Response:
        limit = request.query_params.get("limit")
        if limit is not None and invalid_limit(limit):
            return PlainTextResponse("limit must be a whole number, such as ?limit=20.\n", status_code=400)
        encoded = await self._events.result()
        return self._deliveries.response(encoded.newest(limit), _API_HEADERS, "application/json")

    async def runbook(self, request: Request) -> Response:
        return self._document(request.path_params["name"], request)

    async def runbooks(self, request: Request) -> Response:
        return self._document(INDEX, request)

    async def platform(self, request: Request) -> Response:
        return self._document(PLATFORM, request)

    async def user(self, request: Request) -> Response:
        return await self._subject(self._subjects.user, request)

    async def token(self, request: Request) -> Response:
        return await self._subject(self._subjects.token, request)

    def _document(self, name: str, request: Request) -> Response:
        found = find_document(name, language_of(request, self._language()), chosen=chosen_language(request) is not None)
        if found is None:
            return _no_page("There is no runbook of this name; /runbooks/ lists all.")
        headers = _PAGE_HEADERS | {"Content-Language": found.language.value, "Vary": "Accept-Language"}
        return self._deliveries.response(rendered(found), headers, "text/html")

    async def _subject(self, page: Callable[[str, str, Language], bytes | None], request: Request) -> Response:
        # The path as it was sent: a name may contain an encoded slash.
        parts = request.scope["raw_path"].decode("ascii", "replace").split("/")
        if len(parts) != _PARTS_OF_SUBJECT:
            return _no_page()
        organization, subject = (unquote(part) for part in parts[-2:])
        language = language_of(request, self._language())
        async with self._searching:
            found = await run_in_threadpool(page, organization, subject, language)
        if found is None:
            return _no_page("It is not among the watched users and their tokens; it may have been deleted.")
        headers = _PAGE_HEADERS | {"Content-Language": language.value, "Vary": "Accept-Language"}
        return self._deliveries.response(found, headers, "text/html")

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
            Route("/", to.page),
            Route("/metrics", to.metrics),
            Route("/api/v1/tokens", to.tokens),
            Route("/api/v1/events", to.events),
            Route("/runbooks/", to.runbooks),
            Route("/runbooks/{name}", to.runbook),
            Route("/docs/platform", to.platform),
            Route("/users/{subject:path}", to.user),
            Route("/tokens/{subject:path}", to.token),
            Route("/-/healthy", to.healthy),
            Route("/-/ready", to.ready),
            Route("/-/reload", to.reload, methods=["POST", "PUT"]),
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
