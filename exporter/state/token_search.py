"""Finds the tokens of one organization that match criteria, in any order, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.model.severity import Severity
from exporter.model.token import CredentialKind
from exporter.state.columns import searchable, token_columns
from exporter.state.criteria import filters
from exporter.state.cut import TopRows
from exporter.state.token_order import by_expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.common.sorted_chunks import Chunk, Key
    from exporter.state.columns import TokenColumns
    from exporter.state.contents import Contents
    from exporter.state.criteria import Criteria
    from exporter.state.cut import Value, Wanted
    from exporter.state.token_order import Entry

    ValuesOf = Callable[[TokenColumns, Sequence[int]], list[Value]]


NO_RANK = float(len(Severity))
"""The rank of what violates no policy: after all severities."""


class TokenSort(StrEnum):
    """By what tokens are sorted; among equals by expiry."""

    EXPIRES = "expires"
    CREATED = "created"
    TOKEN = "token"  # noqa: S105 - a name
    USER = "user"
    ORGANIZATION = "organization"
    DEPARTMENT = "department"
    PERMISSIONS = "permissions"
    SEVERITY = "severity"


class TokenSearch:
    """One search among the credentials of one kind in one organization.

    Args:
        contents: the organization.
        kind: the kind of credentials.
        criteria: what they must match.
        now: epoch seconds.
    """

    def __init__(self, contents: Contents, kind: CredentialKind, criteria: Criteria, now: float) -> None:
        self._contents = contents
        self._kind = kind
        self._orders = contents.orders[kind]
        self._criteria = criteria
        self._now = now
        self._by_expiry = partial(by_expiry, contents.name)

    def page(self, sort: TokenSort, wanted: Wanted) -> tuple[int, list[tuple[Key, Entry]]]:
        """The number of all that match, and those of the page with their keys."""
        values = self._values(sort)
        if values is not None:
            total, top = self._top(sort, values, wanted)
            return total, [((value, *self._by_expiry(one)), one) for value, one in top]
        total, rows = self._slice(sort, wanted)
        return total, [(self._key(sort, one), one) for one in rows]

    def slots(self) -> set[int]:
        """The slots of the users of all that match."""
        found: set[int] = set()
        for _, columns, at in self._matching():
            slots = columns.slots
            found.update([slots[i] for i in at])
        return found

    def _slice(self, sort: TokenSort, wanted: Wanted) -> tuple[int, list[Entry]]:
        """The page of what matches, by expiry."""
        total = 0
        rows: list[Entry] = []
        key = partial(self._key, sort)
        for chunk, _, at in self._matching():
            total += len(at)
            if wanted.descending or wanted.limit is None or len(rows) < wanted.limit:
                rows += [chunk[i] for i in wanted.first(wanted.following(chunk, at, key))]
                if wanted.limit is not None:
                    rows = rows[-wanted.limit :] if wanted.descending else rows[: wanted.limit]
        return total, rows[::-1] if wanted.descending else rows

    def _key(self, sort: TokenSort, one: Entry) -> Key:
        return (self._contents.name, *self._by_expiry(one)) if sort is TokenSort.ORGANIZATION else self._by_expiry(one)

    def _top(self, sort: TokenSort, values: ValuesOf, wanted: Wanted) -> tuple[int, list[tuple[Value, Entry]]]:
        """The page of what matches, by values, with the values."""
        total = 0
        top = TopRows(wanted)
        for chunk, columns, at in self._matching():
            total += len(at)
            left = _possible(columns, at, sort, top.edge, wanted)
            left = left if wanted.after is None else self._following(chunk, left, values(columns, left), wanted)
            top.add(chunk, left, values(columns, left))
        return total, top.page()

    def _following(self, chunk: Chunk[Entry], at: Sequence[int], values: list[Any], wanted: Wanted) -> Sequence[int]:
        """The places after the last page."""
        value, *base = wanted.after or ()
        equal = [i for i, one in zip(at, values, strict=True) if one == value]
        equal = [*replace(wanted, after=tuple(base)).following(chunk, equal, self._by_expiry)]
        if wanted.descending:
            beyond = [i for i, one in zip(at, values, strict=True) if one < value]
        else:
            beyond = [i for i, one in zip(at, values, strict=True) if one > value]
        return sorted(equal + beyond) if equal else beyond

    def _values(self, sort: TokenSort) -> ValuesOf | None:
        """What finds the values by which tokens are sorted; None in the order by expiry."""
        match sort:
            case TokenSort.EXPIRES | TokenSort.ORGANIZATION:
                return None
            case TokenSort.CREATED:
                return lambda columns, at: [columns.created[i] for i in at]
            case TokenSort.TOKEN:
                return lambda columns, at: [columns.names[i] for i in at]
            case TokenSort.USER:
                return self._user_names
            case TokenSort.DEPARTMENT:
                return lambda columns, at: [columns.departments[i] for i in at]
            case TokenSort.PERMISSIONS:
                return _sizes
            case TokenSort.SEVERITY:
                if self._kind is not CredentialKind.TOKEN:
                    # Policies are about tokens.
                    return lambda _, at: [NO_RANK] * len(at)
                return self._contents.ranks

    def _user_names(self, columns: TokenColumns, at: Sequence[int]) -> list[Value]:
        """The names of the users, with their ids, so that the tokens of users with the same name do not mix."""
        names, slots, states = columns.user_names, columns.slots, self._contents.table.states
        return [f"{names[i]}\0{state.user.user_id}" for i in at if (state := states[slots[i]]) is not None]

    def _matching(self) -> Iterator[tuple[Chunk[Entry], TokenColumns, Sequence[int]]]:
        """The chunks by expiry, with the places of what matches."""
        criteria, contents = self._criteria, self._contents
        text = searchable(criteria.text)
        named = contents.with_text(text) if text else None
        bits = contents.bits(criteria.policies)
        every = tuple(filters(criteria, contents.chosen(criteria), named, contents.masks, bits))
        for chunk, places in self._orders.matching(criteria.state, criteria.expires, self._now):
            columns = token_columns(chunk, contents.table)
            at: Sequence[int] = places
            for reduced in every:
                at = reduced(columns, at)
            if criteria.token_id is not None:
                # The filter finds those that contain it in any case.
                at = [i for i in at if chunk[i].token.token_id == criteria.token_id]
            if at:
                yield chunk, columns, at


def _possible(columns: TokenColumns, at: Sequence[int], sort: TokenSort, edge: Any, wanted: Wanted) -> Sequence[int]:
    """The places that can be on the page: those after the last page, and not after the last row found so far."""
    begin: Any = None if wanted.after is None else wanted.after[0]
    low, high = (edge, begin) if wanted.descending else (begin, edge)
    match sort:
        case TokenSort.USER:
            # A value is the name of the user, a zero, and more: it is greater than the name.
            return columns.by_user_name.within(at, None if low is None else low.partition("\0")[0], high)
        case TokenSort.TOKEN:
            return columns.by_name.within(at, low, high)
        case TokenSort.DEPARTMENT:
            return columns.by_department.within(at, low, high)
        case _:
            return at


def _sizes(columns: TokenColumns, at: Sequence[int]) -> list[Value]:
    """The numbers of permissions."""
    sizes, combination = columns.sizes, columns.combination
    return [sizes[combination[i]] for i in at]
