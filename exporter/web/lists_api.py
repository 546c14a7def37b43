"""The lists of the API: tokens, violations, users and events, as JSON or CSV, in pages or as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from exporter.model.token import TokenState
from exporter.report.calendar import calendar
from exporter.report.event_records import event_record
from exporter.report.listing import Row
from exporter.web import parameters
from exporter.web.answers import Answer, Packed
from exporter.web.parameters import ParameterError, values_of
from exporter.web.problems import problem
from exporter.web.records import (
    csv_heading,
    csv_row,
    json_row,
    token_record,
    user_record,
    violation_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.model.event import Event
    from exporter.model.user import UserKey
    from exporter.state.contents import Match
    from exporter.web.guard import Guard
    from exporter.web.lists import Events, Lists, Rows, Values
    from exporter.web.parameters import Parameter
    from exporter.web.records import Record
    from exporter.web.streams import Body

Pairs = list[tuple[str, str]]
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
JSON = "application/json"
_CSV = "text/csv; charset=utf-8"
_ICS = "text/calendar; charset=utf-8"
_PORTION = 200
"""Rows of a portion: a millisecond of work."""
_EVENTS_OF_CALENDAR = 500
"""The events of a calendar without a limit."""


@dataclass(frozen=True, slots=True)
class _List:
    """One of the lists.

    Attributes:
        name: as in its path.
        parameters: what a query may contain.
        rows: answers a query.
        record: makes a record of a row.
        whose: the user that a row is about.
    """

    name: str
    parameters: Sequence[Parameter]
    rows: Callable[[Values, float], Rows | Events]
    record: Callable[[Any, float], Record]
    whose: Callable[[Any], UserKey]


class ListsApi:
    """Answers requests for lists. Methods may run in any thread.

    Args:
        lists: finds rows.
        clock: the current time.
        config: the configuration in effect.
        guard: leaves out what cannot be rendered.
    """

    def __init__(self, lists: Lists, clock: Clock, config: Callable[[], Config], guard: Guard) -> None:
        self._lists = lists
        self._clock = clock
        self._config = config
        self._guard = guard
        every = (
            _List("tokens", parameters.TOKENS, lists.tokens, self._token, _whose),
            _List("violations", parameters.VIOLATIONS, lists.violations, violation_record, _whose),
            _List("users", parameters.USERS, lists.users, user_record, _whose),
            _List("events", parameters.EVENTS, lambda values, _: lists.events(values), _event, _whose_event),
        )
        self._by_name = {one.name: one for one in every}

    def values(self, name: str, pairs: Pairs) -> Values:
        """The parameters of a query.

        Raises:
            ParameterError: the query cannot be answered.
        """
        values = values_of(pairs, self._by_name[name].parameters)
        self._lists.check(name, values, self._clock.now())
        return values

    def page(self, name: str, values: Values) -> Answer:
        """A page of a list."""
        one, now = self._by_name[name], self._clock.now()
        try:
            found = one.rows(values, now)
        except ParameterError as error:
            return problem(str(error))
        headers = {**HEADERS, "X-Total-Count": str(found.total)}
        if found.next is not None:
            following = urlencode({**values, "cursor": found.next})
            headers |= {"Link": f'<{name}?{following}>; rel="next"', "X-Next-Cursor": found.next}
        in_csv = values.get("format") == "csv"
        made = self._made(one, found.rows, now, in_csv=in_csv)
        if in_csv:
            return Answer(b"".join([csv_heading(name), *made]), _CSV, 200, headers | attachment(name))
        return Answer(b"[" + b",".join(made) + b"]", JSON, 200, headers)

    def whole(self, name: str, values: Values, *, packed: bool) -> tuple[dict[str, str], Body]:
        """All rows of a list, and the headers that follow from them.

        Raises:
            ParameterError: a value cannot be read.
        """
        one, now = self._by_name[name], self._clock.now()
        found = one.rows(values, now)
        in_csv = values.get("format") == "csv"
        body = _Whole(partial(self._portions, one, found.rows, now, in_csv=in_csv))
        headers = {"X-Total-Count": str(found.total), "Vary": "Accept-Encoding"}
        headers["Content-Type"] = _CSV if in_csv else JSON
        if in_csv:
            headers |= attachment(name)
        return (headers | {"Content-Encoding": "gzip"}, Packed(body)) if packed else (headers, body)

    def calendar(self, pairs: Pairs) -> Answer:
        """Upcoming expiries as a calendar."""
        now = self._clock.now()
        try:
            values = values_of(pairs, parameters.CALENDAR)
            limit = values.pop("limit", str(_EVENTS_OF_CALENDAR))
            found = self._lists.tokens({**values, "state": TokenState.ACTIVE, "limit": limit}, now)
        except ParameterError as error:
            return problem(str(error))
        listed = [
            Row(one.organization, one.state.user, one.token, one.token.state(now))
            for one in found.rows
            if one.token is not None
        ]
        return Answer(calendar(listed, now).encode(), _ICS, 200, HEADERS)

    def _made(self, one: _List, rows: Sequence[Any], now: float, *, in_csv: bool) -> list[bytes]:
        if in_csv:
            return self._guard.made(rows, lambda row: csv_row(one.name, one.record(row, now)), one.whose)
        return self._guard.made(rows, lambda row: json_row(one.record(row, now)), one.whose)

    def _portions(self, one: _List, rows: Sequence[Any], now: float, *, in_csv: bool) -> Iterator[bytes]:
        if in_csv:
            yield csv_heading(one.name)
        before = b"["
        for start in range(0, len(rows), _PORTION):
            made = self._made(one, rows[start : start + _PORTION], now, in_csv=in_csv)
            if in_csv:
                yield b"".join(made)
            elif made:
                yield before + b",".join(made)
                before = b","
        if not in_csv:
            yield b"[]" if before == b"[" else b"]"

    def _token(self, row: Match, now: float) -> Record:
        return token_record(row, self._config().alerting, now)


class _Whole:
    def __init__(self, portions: Callable[[], Iterator[bytes]]) -> None:
        self.portions = portions


def attachment(name: str) -> dict[str, str]:
    """The header that makes a browser save a file."""
    return {"Content-Disposition": f'attachment; filename="{name}.csv"'}


def _event(event: Event, _: float) -> Record:
    return event_record(event)


def _whose(row: Match) -> UserKey:
    return row.organization, row.state.user.user_id


def _whose_event(event: Event) -> UserKey:
    return event.organization, event.user_id
