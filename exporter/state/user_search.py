"""Finds the users of one organization that match criteria, in any order, a page at a time."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from exporter.model.token import CredentialKind
from exporter.state.columns import department, searchable, users_with_text
from exporter.state.criteria import Criteria
from exporter.state.token_search import TokenSearch
from exporter.state.violation_index import violation_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.sorted_chunks import Key
    from exporter.model.state import UserState
    from exporter.state.contents import Contents
    from exporter.state.cut import Value, Wanted


class UserSort(StrEnum):
    """By what users are sorted; among equals by name."""

    STATUS = "status"
    USER = "user"
    ORGANIZATION = "organization"
    DEPARTMENT = "department"
    TOKENS = "tokens"
    EXPIRES = "expires"
    POLLED = "polled"
    VIOLATIONS = "violations"


class UserSearch:
    """One search among the users of one organization.

    Args:
        contents: the organization.
        criteria: what they must match.
        now: epoch seconds.
    """

    def __init__(self, contents: Contents, criteria: Criteria, now: float) -> None:
        self._contents = contents
        self._criteria = criteria
        self._now = now

    def page(self, sort: UserSort, wanted: Wanted) -> tuple[int, list[tuple[Key, UserState]]]:
        """The number of all that match, and those of the page with their keys."""
        found = self._matched()

        def key(pair: tuple[Any, UserState]) -> Key:
            return (pair[0], pair[1].user.name, self._contents.name, pair[1].user.user_id)

        values: Sequence[Any] = self._values(sort, found)
        rows: Sequence[UserState] = found
        limit, after, descending = wanted.limit, wanted.after, wanted.descending
        if after is not None:
            last: Any = after[0]
            left = [
                pair
                for pair in zip(values, found, strict=True)
                if (pair[0] <= last if descending else pair[0] >= last)
                and (pair[0] != last or (key(pair) < after if descending else key(pair) > after))
            ]
            values, rows = [value for value, _ in left], [state for _, state in left]
        pairs = zip(values, rows, strict=True)
        if limit is not None and limit < len(values):
            # The last value of the page is found among bare values; the keys of most rows are never made.
            edge: Any = (heapq.nlargest if descending else heapq.nsmallest)(limit, values)[-1]
            if descending:
                return len(found), self._sorted([pair for pair in pairs if pair[0] >= edge], key, wanted)
            return len(found), self._sorted([pair for pair in pairs if pair[0] <= edge], key, wanted)
        return len(found), self._sorted(pairs, key, wanted)

    @staticmethod
    def _sorted(
        pairs: Iterable[tuple[Any, UserState]], key: Callable[[tuple[Any, UserState]], Key], wanted: Wanted
    ) -> list[tuple[Key, UserState]]:
        return [(key(pair), pair[1]) for pair in replace(wanted, after=None).sort(pairs, key)]

    def _matched(self) -> Sequence[UserState]:
        criteria, contents = self._criteria, self._contents
        chosen = contents.chosen(criteria)
        found = [*contents.states.values()] if chosen is None else [contents.states[user_id] for user_id in chosen]
        if criteria.text:
            named = frozenset(users_with_text(contents.users, searchable(criteria.text)))
            found = [state for state in found if state.user.user_id in named]
        if criteria.policies is not None:
            bits, masks = contents.bits(criteria.policies), contents.masks
            found = [state for state in found if _any_bits(masks.get(state.user.user_id, ())) & bits]
        if criteria.about_tokens:
            of_tokens = Criteria(
                state=criteria.state, permission=criteria.permission, expires=criteria.expires, created=criteria.created
            )
            ids = TokenSearch(contents, CredentialKind.TOKEN, of_tokens, self._now).user_ids()
            found = [state for state in found if state.user.user_id in ids]
        return found

    def _values(self, sort: UserSort, found: Sequence[UserState]) -> Sequence[Value]:
        match sort:
            case UserSort.STATUS:
                return [
                    ("0" if state.failure is not None else "2" if state.polled else "1") + state.user.name
                    for state in found
                ]
            case UserSort.USER:
                return [state.user.name for state in found]
            case UserSort.ORGANIZATION:
                return [f"{self._contents.name}\0{state.user.name}" for state in found]
            case UserSort.DEPARTMENT:
                return [department(state.user) for state in found]
            case UserSort.TOKENS:
                return [float(len(one.tokens) + (one.tokens_left_out if one.left_out else 0)) for one in found]
            case UserSort.EXPIRES:
                now = self._now
                return [next_expiry(state, now) for state in found]
            case UserSort.POLLED:
                return [-math.inf if (at := state.last_success) is None else at for state in found]
            case UserSort.VIOLATIONS:
                masks = self._contents.masks
                return [float(violation_count(masks.get(state.user.user_id, ()))) for state in found]


def next_expiry(state: UserState, now: float) -> float:
    """When the next token of a user expires, in epoch seconds; infinity if none does."""
    soonest = math.inf
    for token in state.tokens:
        if (at := token.expires_at) is not None and now < at < soonest:
            soonest = at
    return soonest


def _any_bits(mask: tuple[int, ...]) -> int:
    bits = 0
    for one in mask:
        bits |= one
    return bits
