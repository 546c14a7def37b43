"""The orders in which tokens are listed, and what a query asks for and finds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from exporter.model.token import CredentialKind, Token, TokenState
from exporter.model.user import User  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from exporter.common.sorted_chunks import Key
    from exporter.model.state import UserState

LAST_DATE = sys.float_info.max
"""An unreadable expiry sorts after all dates and before tokens that never expire."""

RANK = {TokenState.EXPIRED: 0, TokenState.ACTIVE: 1, TokenState.UNKNOWN: 2, TokenState.NEVER_EXPIRES: 3}
"""By expiry, all tokens of one state come before those of the next, whatever the time is."""


class Order(StrEnum):
    """By what tokens are listed."""

    EXPIRY = "expiry"
    """Expired, then the next to expire, then those with an unreadable expiry, then those that never expire."""
    USER = "user"
    """By the name of the user, then by expiry."""
    NAME = "name"
    """By the name of the token, then by user."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A token or SSH key of a user. Hundreds of thousands are kept, so it is small and no work for the collector.

    Attributes:
        user: its owner.
        token: the token.
        position: its place among the user's tokens of this kind, which tells apart those that are equal otherwise.
    """

    user: User
    token: Token
    position: int


def entries(state: UserState, kind: CredentialKind) -> list[Entry]:
    """The credentials of one kind of a user."""
    return [Entry(state.user, token, position) for position, token in enumerate(state.of_kind(kind))]


def key(order: Order, organization: str, entry: Entry) -> Key:
    """What an entry is sorted by; no two entries of all organizations have the same key."""
    match order:
        case Order.EXPIRY:
            return by_expiry(organization, entry)
        case Order.USER:
            return by_user(organization, entry)
        case Order.NAME:
            return by_name(organization, entry)


def by_expiry(organization: str, entry: Entry) -> Key:
    """The key in the order by expiry."""
    user, token = entry.user, entry.token
    expires_at = LAST_DATE if token.expires_at is None else token.expires_at
    return (expires_at, organization, user.name, token.token_id, user.user_id, token.kind, entry.position)


def by_user(organization: str, entry: Entry) -> Key:
    """The key in the order by user; it begins with `user_key`."""
    user, token = entry.user, entry.token
    expires_at = LAST_DATE if token.expires_at is None else token.expires_at
    return (user.name, organization, user.user_id, expires_at, token.token_id, token.kind, entry.position)


def by_name(organization: str, entry: Entry) -> Key:
    """The key in the order by name of the token."""
    user, token = entry.user, entry.token
    return (token.name, organization, user.name, user.user_id, token.token_id, token.kind, entry.position)


def user_key(organization: str, user: User) -> Key:
    """What users are sorted by."""
    return (user.name, organization, user.user_id)


@dataclass(frozen=True, slots=True)
class Query:
    """Which tokens to list.

    Attributes:
        order: by what.
        organization: only tokens of this organization; None for all.
        state: only tokens in this state; None for all.
        kind: only credentials of this kind; None for all.
        limit: the largest number of rows.
        after: the key of the last row of the previous page; None for the first page.
    """

    order: Order = Order.EXPIRY
    organization: str | None = None
    state: TokenState | None = None
    kind: CredentialKind | None = None
    limit: int = 100
    after: Key | None = None

    @property
    def kinds(self) -> tuple[CredentialKind, ...]:
        """The kinds of credentials to list."""
        return tuple(CredentialKind) if self.kind is None else (self.kind,)


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a list.

    Attributes:
        key: its place in the order; the next page begins after it.
        state: what is known about the user.
    """

    key: Key
    organization: str
    state: UserState
    token: Token
