"""The order in which tokens are listed: by expiry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from exporter.model.token import Token, TokenState
from exporter.model.user import User  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from exporter.common.sorted_chunks import Key
    from exporter.model.state import UserState
    from exporter.model.token import CredentialKind

LAST_DATE = sys.float_info.max
"""An unreadable expiry sorts after all dates and before tokens that never expire."""

RANK = {TokenState.EXPIRED: 0, TokenState.ACTIVE: 1, TokenState.UNKNOWN: 2, TokenState.NEVER_EXPIRES: 3}
"""By expiry, all tokens of one state come before those of the next, whatever the time is."""


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


def by_expiry(organization: str, entry: Entry) -> Key:
    """What an entry is sorted by; no two entries of all organizations have the same key."""
    user, token = entry.user, entry.token
    expires_at = LAST_DATE if token.expires_at is None else token.expires_at
    return (expires_at, organization, user.name, token.token_id, user.user_id, token.kind, entry.position)


def user_key(organization: str, user: User) -> Key:
    """What users are sorted by."""
    return (user.name, organization, user.user_id)
