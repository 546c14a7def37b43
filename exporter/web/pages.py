"""The pages, as HTML. Each page is made from one snapshot; methods may run in any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from exporter import __version__
from exporter.model.token import TokenState
from exporter.state.audit import KEPT
from exporter.texts.catalogue import LANGUAGE_NAMES
from exporter.web import parameters
from exporter.web.answers import Answer
from exporter.web.charts import bars
from exporter.web.forms import ROWS, Offers, columns, fields
from exporter.web.glance import DAYS, State, state_at
from exporter.web.lists import DEFAULT_SORTS
from exporter.web.parameters import ParameterError, values_of
from exporter.web.subjects import Subjects
from exporter.web.templating import TEMPLATES
from exporter.web.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.model.event import Event
    from exporter.model.user import UserKey
    from exporter.state.contents import Match
    from exporter.state.token_index import TokenIndex
    from exporter.web.guard import Guard
    from exporter.web.lists import Events, Lists, Rows, Values
    from exporter.web.reader import Reader
    from exporter.web.urls import Urls
    from exporter.web.views import EventView

HTML = "text/html; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
THEMES = ("auto", "light", "dark")
_SOONEST = 10
_FAILING = 10
_CHANGES = 20
_KNOWN: Mapping[str, Sequence[parameters.Parameter]] = {
    # A page is HTML; its links to the API have other formats.
    listed: [one for one in known if one is not parameters.FORMAT]
    for listed, known in {
        "tokens": parameters.TOKENS,
        "violations": parameters.VIOLATIONS,
        "users": parameters.USERS,
        "events": parameters.EVENTS,
    }.items()
}
_CALENDAR = frozenset(one.name for one in parameters.CALENDAR if one.name not in {"limit", "lang"})
_PATHS = {"tokens": "tokens", "violations": "violations", "users": "users", "events": "changes"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page.

    Attributes:
        reader: who reads it.
        urls: makes addresses.
        theme: one of `THEMES`.
        pairs: the query, without language and theme.
    """

    reader: Reader
    urls: Urls
    theme: str
    pairs: tuple[tuple[str, str], ...] = ()


class Pages:
    """Makes the pages.

    Args:
        index: all organizations.
        lists: finds rows.
        clock: the current time.
        config: the configuration in effect.
        guard: leaves out what cannot be rendered.
    """

    def __init__(
        self, index: TokenIndex, lists: Lists, clock: Clock, config: Callable[[], Config], guard: Guard
    ) -> None:
        self._index = index
        self._lists = lists
        self._clock = clock
        self._config = config
        self._guard = guard
        # Guards the state, which pages share for a second.
        self._lock = threading.Lock()
        self._state: State | None = None

    def state(self) -> State:
        """The state at a glance, at most a second old."""
        now = self._clock.now()
        with self._lock:
            known = self._state
            if known is None or not 0 <= now - known.at < 1:
                known = self._state = state_at(self._index, self._config(), self._lists.zone(None), now)
        return known

    def overview(self, visit: Visit) -> Answer:
        """The first page."""
        state, now = self.state(), self._clock.now()
        soonest = self._lists.tokens({"state": TokenState.ACTIVE.value, "limit": str(_SOONEST)}, now)
        failing = self._lists.users({"status": "failing", "limit": str(_FAILING)}, now)
        views = self._views(visit)
        return self._page(
            "overview",
            visit,
            state,
            soonest=self._guard.made(soonest.rows, views.token, _whose),
            failing=self._guard.made(failing.rows, views.user, _whose),
            failing_total=failing.total,
            states=list(TokenState),
            days_counted=DAYS,
            by_day=bars(state.days, visit.reader, visit.urls),
            by_month=bars(state.months, visit.reader, visit.urls),
            zone=self._lists.zone(None).key,
        )

    def listed(self, listed: str, visit: Visit) -> Answer:
        """The page of a list."""
        state, now = self.state(), self._clock.now()
        error, values, found = "", dict[str, str](), None
        try:
            values = values_of(visit.pairs, _KNOWN[listed])
            found = self._rows(listed, {"limit": str(ROWS), **values}, now)
        except ParameterError as problem:
            error = str(problem)
        offers = self._offers(state)
        return self._page(
            "list",
            visit,
            state,
            status=HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK,
            listed=listed,
            path=_PATHS[listed],
            error=error,
            values=values,
            exported={key: value for key, value in values.items() if key not in {"limit", "cursor"}},
            calendar={key: value for key, value in values.items() if key in _CALENDAR},
            rows=[] if found is None else self._made(listed, found, visit),
            total=0 if found is None else found.total,
            following="" if found is None or found.next is None else visit.urls.here(values, cursor=found.next),
            first=visit.urls.here(values) if "cursor" in values else "",
            fields=fields(listed, visit.reader, offers, values),
            columns=columns(listed, visit.reader, visit.urls, offers, values),
            sort=values.get("sort", ""),
            sorted=values.get("sort", DEFAULT_SORTS[listed]),
            kept=KEPT,
        )

    def user(self, visit: Visit, organization: str, user_id: str) -> Answer:
        """The page about a user."""
        found = Subjects(self._index, self._views(visit), visit.reader).user(organization, user_id)
        if found is None:
            return self._page("missing", visit, self.state(), status=HTTPStatus.NOT_FOUND)
        changes = self._changes(visit, {"organization": organization, "user": user_id})
        return self._page(
            "subject", visit, self.state(), title=found.row.user.name, subjects=(found,), changes=changes, whole=True
        )

    def token(self, visit: Visit, organization: str, token_id: str) -> Answer:
        """The page about the tokens and SSH keys with an id."""
        found = Subjects(self._index, self._views(visit), visit.reader).token(organization, token_id)
        if not found:
            return self._page("missing", visit, self.state(), status=HTTPStatus.NOT_FOUND)
        changes = self._changes(visit, {"organization": organization, "token_id": token_id})
        title = found[0].tokens[0].row.name
        return self._page("subject", visit, self.state(), title=title, subjects=found, changes=changes, whole=False)

    def _changes(self, visit: Visit, values: Values) -> list[EventView]:
        found = self._lists.events({**values, "limit": str(_CHANGES)})
        return self._guard.made(found.rows, self._views(visit).event, _whose_event)

    def _rows(self, listed: str, values: Values, now: float) -> Rows | Events:
        match listed:
            case "tokens":
                return self._lists.tokens(values, now)
            case "violations":
                return self._lists.violations(values, now)
            case "users":
                return self._lists.users(values, now)
            case _:
                return self._lists.events(values)

    def _made(self, listed: str, found: Rows | Events, visit: Visit) -> list[Any]:
        views = self._views(visit)
        makers: dict[str, Callable[[Any], Any]] = {
            "tokens": views.token,
            "violations": views.violation,
            "users": views.user,
            "events": views.event,
        }
        whose: Callable[[Any], UserKey] = _whose_event if listed == "events" else _whose
        rows: Sequence[Any] = found.rows
        return self._guard.made(rows, makers[listed], whose)

    def _views(self, visit: Visit) -> Views:
        return Views(visit.reader, visit.urls, self._config().alerting)

    def _offers(self, state: State) -> Offers:
        permissions, departments = self._index.facets()
        return Offers(
            [one.view.name for one in state.organizations],
            [policy.name for policy in state.policies],
            self._config().watches_ssh_keys,
            permissions,
            departments,
        )

    def _page(
        self, template: str, visit: Visit, state: State, *, status: HTTPStatus = HTTPStatus.OK, **context: Any
    ) -> Answer:
        html = TEMPLATES.get_template(f"{template}.html").render(
            version=__version__,
            reader=visit.reader,
            t=visit.reader.word,
            urls=visit.urls,
            theme=visit.theme,
            themes=THEMES,
            languages=LANGUAGE_NAMES,
            query=dict(visit.pairs),
            state=state,
            **{"here": template, "listed": "", "values": {}, **context},
        )
        headers = {**HEADERS, "Content-Language": visit.reader.language.value, "Vary": "Accept-Language, Cookie"}
        return Answer(html.encode(), HTML, status.value, headers)


def _whose(match: Match) -> UserKey:
    return match.organization, match.state.user.user_id


def _whose_event(event: Event) -> UserKey:
    return event.organization, event.user_id
