"""Permissions with their two levels, and how long a user's tokens grant them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from exporter.model.token import NEVER, TokenState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.token import Token

_WRITE = "_write"
_READ_WRITE = "_read_write"


def granted(permissions: Iterable[str]) -> tuple[str, ...]:
    """The permissions that a token with this list grants, sorted, without duplicates.

    The platform has each permission at two levels. ``X_read_write`` includes ``X_read``, whether or not the list names
    both.
    """
    names = {*permissions}
    names.update([name.removesuffix(_WRITE) for name in names if name.endswith(_READ_WRITE)])
    return tuple(sorted(names))


# Many tokens have the same list. The number bounds the memory for lists of the greatest length to some 30 MB.
_granted = functools.lru_cache(maxsize=512)(granted)


def permission_tokens(tokens: tuple[Token, ...], now: float) -> dict[str, int]:
    """The number of unexpired tokens that grant each permission; 0 if all that grant it have expired.

    Tokens that never expire count, and so do tokens with an unreadable expiry: they may still be valid.
    """
    counts: dict[str, int] = {}
    for token in tokens:
        alive = token.state(now) is not TokenState.EXPIRED
        for permission in _granted(token.permissions):
            counts[permission] = counts.get(permission, 0) + alive
    return counts


def permission_expiry(tokens: tuple[Token, ...], now: float) -> dict[str, float]:
    """When the first of the tokens that grant each permission expires, in epoch seconds.

    The earliest expiry of the unexpired tokens that grant it; the latest if all have expired; `NEVER` if only tokens
    that never expire grant it. Tokens with an unreadable expiry are ignored.
    """
    soonest: dict[str, float] = {}
    latest: dict[str, float] = {}
    for token in tokens:
        expires_at = token.expires_at
        if expires_at is None:
            continue
        best, pick = (latest, max) if expires_at <= now else (soonest, min)
        for permission in _granted(token.permissions):
            best[permission] = pick(best.get(permission, expires_at), expires_at)
    return latest | soonest


def permission_lost(tokens: tuple[Token, ...], more: int = 0) -> dict[str, float]:
    """When the last of the tokens that grant each permission expires, in epoch seconds; `NEVER` if one never does.

    In the past if all have expired. Tokens with an unreadable expiry are ignored.

    Args:
        tokens: the tokens that are known individually.
        more: number of unexpired tokens that are only counted. They expire after those that are known, so with such
            tokens only `NEVER` is certain, and all else is left out.
    """
    lost: dict[str, float] = {}
    for token in tokens:
        expires_at = token.expires_at
        if expires_at is None or (more and expires_at != NEVER):
            continue
        for permission in _granted(token.permissions):
            lost[permission] = max(lost.get(permission, expires_at), expires_at)
    return lost
