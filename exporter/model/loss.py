"""What a user loses when a token expires, in words: other tokens may grant the same permissions for longer."""

from __future__ import annotations

import functools
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.common.text import local_time, utc
from exporter.model.permission import granted, permission_lost
from exporter.model.token import NEVER, CredentialKind
from exporter.texts.catalogue import Language, catalogue

if TYPE_CHECKING:
    from exporter.model.state import UserState
    from exporter.model.token import Token

_UTC = ZoneInfo("UTC")
_SHOWN = 10
"""Permissions named for one token."""
_Fate = tuple[int, float, str]
"""Rank and time, by which permissions are ordered, and what happens to the permission."""


class Losses:
    """When a user loses permissions. Computed at most once, for all tokens of the user.

    Args:
        state: the state of the user.
        language: the language of the words.
        zone: the time zone of times; None for RFC 3339 in UTC.
    """

    def __init__(self, state: UserState, language: Language = Language.EN, zone: ZoneInfo | None = None) -> None:
        self._state = state
        self._zone = zone
        self._words = catalogue(language)

    def words(self, token: Token, now: float) -> str:
        """What happens to the permissions of a token that has expired or will expire; "" if it grants none.

        An SSH key has a scope, which no token grants.

        Such as ``base_user_read_write: lost at 2026-06-03T00:00:00Z; base_user_read: stays until
        2027-03-28T00:00:00Z through other tokens``.

        Args:
            token: one of the user's tokens; it has a readable expiry.
            now: epoch seconds.
        """
        if token.kind is not CredentialKind.TOKEN:
            return ""
        words, expires_at = self._words, NEVER if token.expires_at is None else token.expires_at
        found = sorted((self._fate(name, expires_at, now), name) for name in granted(token.permissions))
        parts = [
            f"{words.comma.join([name for _, name in some])}{words.colon}{fate}"
            for (_, _, fate), some in groupby(found[:_SHOWN], key=lambda pair: pair[0])
        ]
        if len(found) > _SHOWN:
            parts.append(words.losses.more.format(count=len(found) - _SHOWN))
        return words.semicolon.join(parts)

    def _fate(self, permission: str, expires_at: float, now: float) -> _Fate:
        lost_at, words = self._lost.get(permission), self._words.losses
        if lost_at == NEVER:
            return 3, NEVER, words.kept
        if lost_at is None or permission in self._unclear:
            return 2, NEVER, words.unclear
        at = (utc(lost_at) if self._zone is None else None) or local_time(lost_at, self._zone or _UTC)
        if lost_at <= now:
            return 0, lost_at, words.lost_since.format(time=at)
        if lost_at <= expires_at:
            return 0, lost_at, words.lost_at.format(time=at)
        return 1, lost_at, words.until.format(time=at)

    @functools.cached_property
    def _lost(self) -> dict[str, float]:
        return permission_lost(self._state.tokens, self._state.unexpired_left_out)

    @functools.cached_property
    def _unclear(self) -> frozenset[str]:
        """The permissions that a token with an unreadable expiry grants."""
        unreadable = [token for token in self._state.tokens if token.expires_at is None]
        return frozenset(name for token in unreadable for name in granted(token.permissions))
