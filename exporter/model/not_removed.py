"""Tokens that expired so long ago that they should have been removed, and how texts name them. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.text import local_time, printable
from exporter.model.token import token_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from exporter.model.state import UserState
    from exporter.model.token import Token

_LONGEST_NAME = 60
_DATE = len("2026-12-31")


@dataclass(frozen=True, slots=True)
class NotRemoved:
    """The tokens and SSH keys of one user that are not removed.

    Attributes:
        count: how many.
        expired_at: when the first of them expired, in epoch seconds.
        name: its name.
    """

    count: int
    expired_at: float
    name: str

    def words(self, zone: ZoneInfo) -> str:
        """The one that expired first, with the day in a time zone: ``ci, 2026-12-31``."""
        return f"{printable(self.name[:_LONGEST_NAME])}, {local_time(self.expired_at, zone)[:_DATE]}"


def not_removed(state: UserState, expired_for: float, now: float, counts: Callable[[Token], bool]) -> NotRemoved | None:
    """The tokens and SSH keys of a user that should have been removed; None if there are none.

    Args:
        state: the user's state.
        expired_for: seconds from the expiry to the time from which a token should have been removed.
        now: epoch seconds.
        counts: whether a token counts: a silenced one does not, nor one that a policy reports.
    """

    def due(token: Token) -> bool:
        return token.expires_at is not None and token.expires_at + expired_for <= now

    found = [
        (one.expires_at or 0.0, one.name)
        for some in (state.tokens, state.ssh_keys or ())
        # Most users have none.
        for one in (token_series(some) if any(map(due, some)) else ())
        if due(one) and counts(one)
    ]
    return NotRemoved(len(found), *min(found)) if found else None
