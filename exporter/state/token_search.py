"""Finds the tokens of one organization that match criteria, in any order, a page at a time."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from exporter.model.severity import Severity
from exporter.state.columns import created_at, department, searchable, token_columns, violated_by_tokens, whose
from exporter.state.criteria import filters
from exporter.state.page_values import by_few, in_order, page_of, same
from exporter.state.token_order import by_expiry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.common.sorted_chunks import Chunk, Key
    from exporter.model.token import CredentialKind
    from exporter.state.columns import TokenColumns
    from exporter.state.contents import Contents
    from exporter.state.criteria import Criteria
    from exporter.state.cut import Wanted
    from exporter.state.page_values import Find
    from exporter.state.token_order import Entry


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
        self._order = contents.orders[kind]
        self._criteria = criteria
        self._now = now
        self._by_expiry = partial(by_expiry, contents.name)

    def page(self, sort: TokenSort, wanted: Wanted) -> tuple[int, list[tuple[Key, Entry]]]:
        """The number of all that match, and those of the page with their keys."""
        return page_of(self._matching(descending=wanted.descending), self._find(sort), wanted, self._by_expiry)

    def slots(self) -> set[int]:
        """The slots of the users of all that match."""
        found: set[int] = set()
        for _, columns, at in self._matching():
            slots = columns.slots
            found.update([slots[i] for i in at])
        return found

    def _find(self, sort: TokenSort) -> Find[Entry, TokenColumns] | None:
        """What finds the tokens of a page by their values; None in the order by expiry."""
        match sort:
            case TokenSort.EXPIRES:
                return None
            case TokenSort.ORGANIZATION:
                return same(self._contents.name)
            case TokenSort.CREATED:
                return in_order(lambda columns: columns.by_created, created_at)
            case TokenSort.TOKEN:
                return in_order(lambda columns: columns.by_name, lambda one: one.token.name)
            case TokenSort.USER:
                return in_order(lambda columns: columns.by_user, lambda one: whose(one.user))
            case TokenSort.DEPARTMENT:
                return in_order(lambda columns: columns.by_department, lambda one: department(one.user))
            case TokenSort.PERMISSIONS:
                return by_few(lambda columns: columns.sizes, float)
            case TokenSort.SEVERITY:
                contents = self._contents
                return by_few(lambda columns: violated_by_tokens(columns, contents.masks), contents.rank)

    def _matching(self, *, descending: bool = False) -> Iterator[tuple[Chunk[Entry], TokenColumns, Sequence[int]]]:
        """The chunks by expiry, or reversed, with the places of what matches."""
        criteria, contents = self._criteria, self._contents
        text = searchable(criteria.text)
        named = contents.with_text(text) if text else None
        if named is not None and not any(named):
            named = None
        bits = contents.bits(criteria.policies)
        every = tuple(filters(criteria, contents.chosen(criteria), named, contents.masks, bits))
        chunks = self._order.matching(criteria.state, criteria.expires, self._now)
        for chunk, places in reversed(chunks) if descending else chunks:
            columns = token_columns(chunk, contents.table)
            at: Sequence[int] = places
            for reduced in every:
                if at:
                    at = reduced(columns, at)
            if criteria.token_id is not None:
                # The filter finds those that contain it in any case.
                at = [i for i in at if chunk[i].token.token_id == criteria.token_id]
            if at:
                yield chunk, columns, at
