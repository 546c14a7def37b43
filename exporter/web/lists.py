"""Answers the queries of lists: parameters in, a page of rows out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.state.contents import merged
from exporter.state.cut import Wanted
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort
from exporter.web.cursors import cursor, place
from exporter.web.parameters import criteria_of, limit_of, sort_of, span_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.common.sorted_chunks import Key
    from exporter.config.schema import Config
    from exporter.model.event import Event
    from exporter.state.contents import Contents, Match, Part
    from exporter.state.criteria import Criteria
    from exporter.state.token_index import Snapshot, TokenIndex

_UTC = ZoneInfo("UTC")

Values = dict[str, str]
DEFAULT_SORTS = {"tokens": "expires", "violations": "severity", "users": "status", "events": "-time"}
"""By what each list is sorted unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a list of tokens, violations or users.

    Attributes:
        rows: the rows.
        total: the number of rows of all pages.
        next: the cursor of the next page; None if this is the last one.
        evaluated: whether the violations of all users were known.
    """

    rows: Sequence[Match]
    total: int
    next: str | None
    evaluated: bool


@dataclass(frozen=True, slots=True)
class Events:
    """A page of the list of changes; the attributes are those of `Rows`."""

    rows: Sequence[Event]
    total: int
    next: str | None


class Lists:
    """Answers queries.

    Args:
        index: all organizations.
        events: the latest changes, newest first.
        config: the configuration in effect.
    """

    def __init__(self, index: TokenIndex, events: Callable[[], Sequence[Event]], config: Callable[[], Config]) -> None:
        self._index = index
        self._events = events
        self._config = config

    def zone(self, organization: str | None) -> ZoneInfo:
        """The time zone of days: that of the organization, or of all if they have the same one, else UTC."""
        zones = {one.name: one.timezone for one in self._config().organizations}
        if organization in zones:
            return ZoneInfo(zones[organization])
        every = {*zones.values()}
        return ZoneInfo(every.pop()) if len(every) == 1 else _UTC

    def criteria(self, values: Values, now: float) -> Criteria:
        """What rows must match.

        Raises:
            ParameterError: a value cannot be read.
        """
        severities = {policy.name: policy.severity for policy in self._config().policies.enabled}
        return criteria_of(values, now, self.zone(values.get("organization")), severities)

    def check(self, listed: str, values: Values, now: float) -> None:
        """Find out whether a query can be answered.

        Raises:
            ParameterError: a value cannot be read.
        """
        _wanted(values, listed, DEFAULT_SORTS[listed])
        if listed == "events":
            span_of(values, "since", "until", self.zone(None))
        else:
            self.criteria(values, now)

    def tokens(self, values: Values, now: float) -> Rows:
        """Tokens and SSH keys.

        Raises:
            ParameterError: a value cannot be read. So do all methods.
        """
        criteria = self.criteria(values, now)

        def part(one: Contents, sort: str, wanted: Wanted) -> Part:
            return one.tokens(criteria, TokenSort(sort), wanted, now)

        return self._read("tokens", values, part, now)

    def violations(self, values: Values, now: float) -> Rows:
        """Tokens that violate policies, and users that do as a whole."""
        found = self.criteria(values, now)
        if found.policies is None:
            found = replace(found, policies=frozenset(policy.name for policy in self._config().policies.enabled))

        def part(one: Contents, sort: str, wanted: Wanted) -> Part:
            tokens = one.tokens(found, TokenSort(sort), wanted, now)
            users = one.violating_users(found, TokenSort(sort), wanted)
            return replace(tokens, total=tokens.total + users.total, rows=merged([*tokens.rows, *users.rows], wanted))

        return self._read("violations", values, part, now)

    def users(self, values: Values, now: float) -> Rows:
        """Users."""
        criteria = self.criteria(values, now)

        def part(one: Contents, sort: str, wanted: Wanted) -> Part:
            return one.users_of(criteria, UserSort(sort), wanted, now)

        return self._read("users", values, part, now)

    def events(self, values: Values) -> Events:
        """Changes, newest first unless asked otherwise."""
        found = [event for event in self._events() if self._fits(event, values)]
        times = span_of(values, "since", "until", self.zone(values.get("organization")))
        keyed = [(_event_key(event), event) for event in found if times.contains(event.time)]
        wanted = _wanted(values, "events", "-time")
        page = wanted.sort(keyed, lambda pair: pair[0])
        limit = None if wanted.limit is None else wanted.limit - 1
        after = None
        if limit is not None and len(page) > limit:
            after = cursor("events", values.get("sort", "-time"), page[limit - 1][0])
        return Events([event for _, event in page[:limit]], len(keyed), after)

    @staticmethod
    def _fits(event: Event, values: Mapping[str, str]) -> bool:
        text = values.get("q", "").strip().lower()
        if text and not any(
            text in field.lower()
            for field in (event.user, event.user_id, event.token, event.token_id, event.description, event.old_name)
        ):
            return False
        if values.get("user", event.user) not in {event.user, event.user_id}:
            return False
        wanted = {
            "organization": event.organization,
            "event": event.change,
            "kind": event.kind,
            "token_id": event.token_id,
        }
        return all(values.get(name, value) == value for name, value in wanted.items())

    def _read(self, listed: str, values: Values, part: Callable[[Contents, str, Wanted], Part], now: float) -> Rows:
        default = DEFAULT_SORTS[listed]
        sort, _ = sort_of(values, default)
        wanted = _wanted(values, listed, default)
        organization = values.get("organization")

        def rows(snapshot: Snapshot) -> Rows:
            asked = [one for one in snapshot.contents if organization in {None, one.name}]
            parts = [part(one, sort, wanted) for one in asked]
            page = merged([row for one in parts for row in one.rows], wanted)
            after = None
            if wanted.limit is not None and len(page) == wanted.limit:
                page = page[:-1]
                after = cursor(listed, values.get("sort", default), page[-1].key)
            return Rows(page, sum(one.total for one in parts), after, all(one.evaluated for one in asked))

        return self._index.read(rows, now)


def _wanted(values: Values, listed: str, default: str) -> Wanted:
    """The page, with one more row, which tells whether there is another page."""
    limit = limit_of(values)
    after: Key | None = None
    if (text := values.get("cursor")) is not None:
        after = place(text, listed, values.get("sort", default))
    return Wanted(sort_of(values, default)[1], after, None if limit is None else limit + 1)


def _event_key(event: Event) -> Key:
    return (event.time, event.organization, event.user_id, event.token_id, event.change.value, event.kind.value)
