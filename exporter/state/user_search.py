"""Finds the users of one organization that match criteria, in any order, a page at a time."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from exporter.model.token import CredentialKind, TokenState
from exporter.state.columns import department, searchable, token_columns
from exporter.state.criteria import Criteria, Span
from exporter.state.token_search import TokenSearch
from exporter.state.violation_index import violation_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.sorted_chunks import Key
    from exporter.model.state import UserState
    from exporter.state.contents import Contents
    from exporter.state.cut import Value, Wanted
    from exporter.state.violation_index import Mask


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
        slots = self._matched()
        states = self._contents.table.states
        found = [state for slot in slots if (state := states[slot]) is not None]

        def key(pair: tuple[Any, UserState]) -> Key:
            return (pair[0], pair[1].user.name, self._contents.name, pair[1].user.user_id)

        values: Sequence[Any] = self._values(sort, slots, found)
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

    def _matched(self) -> Sequence[int]:
        """The slots of the users that match."""
        criteria, contents = self._criteria, self._contents
        states = contents.table.states
        if not (criteria.about_users or criteria.text or criteria.policies is not None or criteria.about_tokens):
            every = range(len(states))
            return every if len(contents.table) == len(states) else [slot for slot in every if states[slot] is not None]
        slots: Sequence[int] = range(len(states))
        named = contents.with_text(searchable(criteria.text)) if criteria.text else None
        for flags in (contents.chosen(criteria), named):
            if flags is not None:
                slots = [slot for slot in slots if flags[slot]]
        if criteria.policies is not None:
            bits, masks = contents.bits(criteria.policies), contents.masks
            slots = [slot for slot in slots if _any_bits(masks[slot]) & bits]
        if criteria.about_tokens:
            of_tokens = Criteria(
                state=criteria.state, permission=criteria.permission, expires=criteria.expires, created=criteria.created
            )
            found = TokenSearch(contents, CredentialKind.TOKEN, of_tokens, self._now).slots()
            slots = [slot for slot in slots if slot in found]
        return [slot for slot in slots if states[slot] is not None]

    def _values(self, sort: UserSort, slots: Sequence[int], found: Sequence[UserState]) -> Sequence[Value]:
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
                return self._next_expiries(slots)
            case UserSort.POLLED:
                return [-math.inf if (at := state.last_success) is None else at for state in found]
            case UserSort.VIOLATIONS:
                # Most users have one of a few masks.
                masks, counts = self._contents.masks, _Counts()
                return [counts[masks[slot]] for slot in slots]

    def _next_expiries(self, slots: Sequence[int]) -> Sequence[Value]:
        """When the next token of each of these users expires; infinity if none does."""
        contents = self._contents
        soonest = [math.inf] * len(contents.table.states)
        active = contents.orders[CredentialKind.TOKEN].matching(TokenState.ACTIVE, Span(), self._now)
        # The columns are read, since a look at the tokens of every user takes several times as long. The earliest
        # comes last.
        for chunk, places in reversed(active):
            columns, part = token_columns(chunk, contents.table), slice(places.start, places.stop)
            for slot, at in zip(reversed(columns.slots[part]), reversed(columns.expires[part]), strict=True):
                soonest[slot] = at
        return [soonest[slot] for slot in slots]


def next_expiry(state: UserState, now: float) -> float:
    """When the next token of a user expires, in epoch seconds; infinity if none does."""
    soonest = math.inf
    for token in state.tokens:
        if (at := token.expires_at) is not None and now < at < soonest:
            soonest = at
    return soonest


class _Counts(dict["Mask | None", float]):
    """The numbers of violations of masks, computed when needed."""

    def __missing__(self, mask: Mask | None) -> float:
        self[mask] = found = float(violation_count(mask))
        return found


def _any_bits(mask: Mask | None) -> int:
    bits = 0
    for one in mask or ():
        bits |= one
    return bits
