"""The routes of the pages and of the lists of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import Route

from exporter.metrics.encoding import gzip_accepted
from exporter.web.answers import Answer, Answers
from exporter.web.guard import Guard
from exporter.web.languages import COOKIE, chosen_language, language_of
from exporter.web.lists import Lists
from exporter.web.lists_api import HEADERS, JSON, ListsApi
from exporter.web.openapi import document
from exporter.web.overview_api import OverviewApi
from exporter.web.pages import THEMES, Pages, Visit
from exporter.web.parameters import ParameterError
from exporter.web.problems import problem
from exporter.web.reader import Reader
from exporter.web.static_files import addresses, static_file
from exporter.web.streams import StreamedResponse
from exporter.web.urls import Urls

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from exporter.web.deliveries import Deliveries
    from exporter.web.refusals import Refusals
    from exporter.web.served import Served
    from exporter.web.streams import Streams

_PARTS_OF_SUBJECT = 4
"""In /tokens/<organization>/<token id>, the empty one before the first slash included."""
_THEME = "yunxiao_theme"
_YEAR = 365 * 86400
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Site:
    """The handlers.

    Args:
        served: what they show.
        refusals: counts what cannot be rendered.
        deliveries: sends responses.
        streams: sends responses while they are made.
    """

    def __init__(self, served: Served, refusals: Refusals, deliveries: Deliveries, streams: Streams) -> None:
        guard, clock = Guard(refusals), served.clock
        lists = Lists(served.index, served.events, served.config)
        self._served = served
        self._streams = streams
        self._answers = Answers(deliveries)
        self._pages = Pages(served.index, lists, clock, served.config, guard)
        self._lists = ListsApi(lists, clock, served.config, guard)
        self._overview = OverviewApi(self._pages.state, served.problems)

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/", self._page(self._pages.overview)),
            Route("/tokens", self._page(lambda visit: self._pages.listed("tokens", visit))),
            Route("/violations", self._page(lambda visit: self._pages.listed("violations", visit))),
            Route("/users", self._page(lambda visit: self._pages.listed("users", visit))),
            Route("/changes", self._page(lambda visit: self._pages.listed("events", visit))),
            Route("/users/{subject:path}", self._subject(self._pages.user)),
            Route("/tokens/{subject:path}", self._subject(self._pages.token)),
            Route("/static/{address}", self.static),
            Route("/api/v1/violations", self._list("violations")),
            Route("/api/v1/users", self._list("users")),
            Route("/api/v1/calendar.ics", self.calendar),
            Route("/api/v1/organizations", self._fixed(self._overview.organizations)),
            Route("/api/v1/status", self._fixed(self._overview.status)),
            Route("/api/v1/openapi.json", self._fixed(lambda: Answer(document(), JSON, 200, HEADERS))),
        ]

    async def rows(self, name: str, request: Request) -> Response:
        """A list of the API, for a request with parameters."""
        try:
            values = self._lists.values(name, request.query_params.multi_items())
        except ParameterError as error:
            detail = str(error)
            return await self._answers.response(request, lambda: problem(detail))
        if "limit" in values:
            return await self._answers.response(request, lambda: self._lists.page(name, values))
        packed = gzip_accepted(request.headers.get("accept-encoding", ""))
        return StreamedResponse(
            self._streams, lambda: self._lists.whole(name, values, packed=packed), HEADERS, media_type=JSON
        )

    async def calendar(self, request: Request) -> Response:
        """Upcoming expiries as iCalendar."""
        pairs = request.query_params.multi_items()
        return await self._answers.response(request, lambda: self._lists.calendar(pairs))

    async def static(self, request: Request) -> Response:
        """A style sheet, script or picture."""
        found = static_file(request.path_params["address"])
        if found is None:
            return Response("There is no such file.\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
        return await self._answers.response(request, lambda: Answer(found.content, found.media_type, 200, _FOREVER))

    def _list(self, name: str) -> Callable[[Request], object]:
        async def handle(request: Request) -> Response:
            return await self.rows(name, request)

        return handle

    def _fixed(self, make: Callable[[], Answer]) -> Callable[[Request], object]:
        async def handle(request: Request) -> Response:
            if unknown := next(iter(request.query_params), None):
                detail = f"unknown parameter {unknown[:50]!r}; there are none"
                return await self._answers.response(request, lambda: problem(detail))
            return await self._answers.response(request, make)

        return handle

    def _page(self, make: Callable[[Visit], Answer]) -> Callable[[Request], object]:
        async def handle(request: Request) -> Response:
            return await self._shown(request, make)

        return handle

    def _subject(self, make: Callable[[Visit, str, str], Answer]) -> Callable[[Request], object]:
        async def handle(request: Request) -> Response:
            # The path as it was sent: a name may contain an encoded slash.
            parts = request.scope["raw_path"].decode("ascii", "replace").split("/")
            if len(parts) != _PARTS_OF_SUBJECT:
                return Response("There is no such page.\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
            organization, subject = (unquote(part) for part in parts[-2:])
            return await self._shown(request, lambda visit: make(visit, organization, subject))

        return handle

    async def _shown(self, request: Request, make: Callable[[Visit], Answer]) -> Response:
        visit = self._visit(request)
        response = await self._answers.response(request, lambda: make(visit))
        # Remember what a reader chooses. The path is not known outside of a route prefix, so it is that of all pages.
        chosen = {COOKIE: chosen_language(request), _THEME: request.query_params.get("theme")}
        for name, value in chosen.items():
            if value is not None and (name == COOKIE or value in THEMES):
                secure = request.url.scheme == "https"
                response.set_cookie(
                    name, str(value), max_age=_YEAR, path="/", secure=secure, httponly=True, samesite="lax"
                )
        return response

    def _visit(self, request: Request) -> Visit:
        served = self._served
        reader = Reader(language_of(request, served.language()), served.zones(), served.clock.now())
        path = request.scope["raw_path"].decode("ascii", "replace")
        grafana = served.config().web.grafana_url
        theme = request.query_params.get("theme", "")
        if theme not in THEMES:
            theme = request.cookies.get(_THEME, "")
        pairs = tuple(pair for pair in request.query_params.multi_items() if pair[0] not in {"lang", "theme"})
        return Visit(reader, Urls(path, grafana, addresses()), theme if theme in THEMES else THEMES[0], pairs)
