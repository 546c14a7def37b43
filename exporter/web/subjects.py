"""What the pages about a single user and a single token show, to which alerts link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.text import local_and_utc
from exporter.model.loss import Losses
from exporter.state.contents import Match
from exporter.state.criteria import Criteria
from exporter.state.cut import Wanted
from exporter.state.token_search import TokenSort
from exporter.web.records import since
from exporter.web.views import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.policies.base import Policy
    from exporter.state.contents import Contents
    from exporter.state.token_index import Snapshot, TokenIndex
    from exporter.web.reader import Reader
    from exporter.web.views import PermissionView, TokenView, UserView, Views

_MOST_USERS = 20
"""Users shown on the page of a token: masked ids may belong to several."""
_MOST_TOKENS = 200
"""Tokens shown on the page of a user."""


@dataclass(frozen=True, slots=True)
class Detailed:
    """A token with all that is known about it.

    Attributes:
        row: as in lists.
        permissions: all of them.
        loss: what happens to them when it expires.
        listed: the expiry that the platform lists, if it counts as never.
        problems: the policies that it violates.
    """

    row: TokenView
    permissions: tuple[str, ...]
    loss: str
    listed: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A user with tokens.

    Attributes:
        user_id: the id.
        row: as in lists.
        labels: names and values.
        tokens: those to show.
        more: the number of tokens that are not shown.
        permissions: the permissions of the user; empty on the page of a token.
        problems: the policies that the user violates as a whole.
        dashboard: the address of Grafana's dashboard; "" if there is none.
    """

    user_id: str
    row: UserView
    labels: tuple[tuple[str, str], ...]
    tokens: tuple[Detailed, ...]
    more: int
    permissions: tuple[PermissionView, ...]
    problems: tuple[Problem, ...]
    dashboard: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What an index knows about a user."""

    match: Match
    policies: tuple[tuple[Policy, ...], ...]
    tokens: tuple[tuple[Token, int], ...]


class Subjects:
    """Finds users and tokens, and makes what pages show of them.

    Args:
        index: all organizations.
        views: makes rows.
        reader: who reads them.
    """

    def __init__(self, index: TokenIndex, views: Views, reader: Reader) -> None:
        self._index = index
        self._views = views
        self._reader = reader

    def user(self, organization: str, user_id: str) -> Subject | None:
        """A user with all tokens; None if no such user is watched."""

        def question(snapshot: Snapshot) -> _Found | None:
            for one in _of(snapshot, organization):
                state = one.table.get(user_id)
                if state is not None:
                    return _found(one, state, state.credentials)
            return None

        found = self._index.read(question, self._reader.now)
        return None if found is None else self._subject(found, whole=True)

    def token(self, organization: str, token_id: str) -> tuple[Subject, ...]:
        """The users that have a token or SSH key with this id, with these tokens."""

        def question(snapshot: Snapshot) -> list[_Found]:
            criteria = Criteria(token_id=token_id)
            wanted = Wanted(limit=_MOST_USERS)
            every = []
            for one in _of(snapshot, organization):
                rows = one.tokens(criteria, TokenSort.EXPIRES, wanted, self._reader.now).rows
                for state in {row.state.user.user_id: row.state for row in rows}.values():
                    mine = [token for token in state.credentials if token.token_id == token_id]
                    every.append(_found(one, state, mine))
            return every

        return tuple(self._subject(one, whole=False) for one in self._index.read(question, self._reader.now))

    def _subject(self, found: _Found, *, whole: bool) -> Subject:
        match, state = found.match, found.match.state
        losses = Losses(state, self._reader.language, self._reader.zone(match.organization))
        tokens = sorted(found.tokens, key=lambda pair: _urgent_first(pair[0], self._reader.now))
        user = self._views.user(match)
        return Subject(
            user_id=state.user.user_id,
            row=user,
            labels=state.user.labels,
            tokens=tuple(self._detailed(found, token, at, losses) for token, at in tokens[:_MOST_TOKENS]),
            more=max(0, len(tokens) - _MOST_TOKENS) + (state.tokens_left_out if whole else 0),
            permissions=self._views.permissions(match.organization, state) if whole else (),
            problems=self._problems(match.organization, found.policies[-1], None) if whole else (),
            dashboard=self._views.dashboard(match.organization, state.user.name),
        )

    def _detailed(self, found: _Found, token: Token, at: int, losses: Losses) -> Detailed:
        organization, reader = found.match.organization, self._reader
        policies = found.policies[at] if at < len(found.policies) - 1 else ()
        listed = token.listed_expiry
        return Detailed(
            row=self._views.credential(organization, found.match.state, token, policies),
            permissions=token.permissions,
            loss=losses.words(token, reader.now),
            listed="" if listed is None else local_and_utc(listed, reader.zone(organization)),
            problems=self._problems(organization, policies, token),
        )

    def _problems(self, organization: str, policies: Iterable[Policy], token: Token | None) -> tuple[Problem, ...]:
        reader = self._reader
        return tuple(
            Problem(self._views.policy(one), reader.policy(one), reader.moment(since(one, token), organization))
            for one in policies
        )


def _of(snapshot: Snapshot, organization: str) -> Sequence[Contents]:
    return [one for one in snapshot.contents if one.name == organization]


def _found(one: Contents, state: UserState, tokens: Iterable[Token]) -> _Found:
    places = {id(token): place for place, token in enumerate(state.credentials)}
    pairs = tuple((token, places[id(token)]) for token in tokens)
    match = Match((), one.name, state, None, one.violated_by(state))
    return _Found(match, one.policies_of(state), pairs)


def _urgent_first(token: Token, now: float) -> tuple[int, float]:
    """What expires next comes first, then what never expires, then what has expired, the latest first."""
    at = token.expires_at
    if at is None:
        return 1, 0.0
    return (0, at) if at > now else (2, -at)
