"""Tokens: their states, and what follows from several of them."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

NEVER = math.inf
"""The expiry of a token that never expires, in epoch seconds."""

MOST_TOKENS = 1000
"""Tokens of one user that are kept, unless the configuration says otherwise; the rest is counted."""

MOST_LISTED = 20_000
"""Entries of one answer that are accepted, so tokens of one user that can be kept at most."""


class TokenState(StrEnum):
    """The one state that a token is in at a given time."""

    ACTIVE = "active"
    EXPIRED = "expired"
    NEVER_EXPIRES = "never_expires"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Token:
    """A personal access token as the platform lists it; the secret itself is never known.

    Attributes:
        token_id: the part of the secret before ``_``; may come masked with ``*``.
        name: what its owner called it; not unique; the id where the platform gives none.
        permissions: what it grants, sorted, each once.
        created_at: epoch seconds; None where the platform gives no readable date.
        expires_at: epoch seconds; `NEVER` if it never expires; None where the date cannot be read.
        permissions_read: whether the platform gave a list of permissions that could be read; what is known from before
            holds where it did not.
    """

    token_id: str
    name: str
    permissions: tuple[str, ...] = ()
    created_at: float | None = None
    expires_at: float | None = NEVER
    permissions_read: bool = True

    def state(self, now: float) -> TokenState:
        """The state at the time ``now``; the moment of expiry itself counts as expired."""
        if self.expires_at is None:
            return TokenState.UNKNOWN
        if self.expires_at == NEVER:
            return TokenState.NEVER_EXPIRES
        return TokenState.EXPIRED if self.expires_at <= now else TokenState.ACTIVE


def permission_expiry(tokens: tuple[Token, ...], now: float) -> dict[str, float]:
    """When each permission runs out, in epoch seconds.

    The soonest expiry among the unexpired tokens that grant it; if all of them have expired, the latest; `NEVER` if
    only never-expiring ones grant it. A token whose expiry could not be read has no say.
    """
    soonest: dict[str, float] = {}
    latest: dict[str, float] = {}
    for token in tokens:
        expires_at = token.expires_at
        if expires_at is None:
            continue
        best, pick = (latest, max) if expires_at <= now else (soonest, min)
        for permission in token.permissions:
            best[permission] = pick(best.get(permission, expires_at), expires_at)
    return latest | soonest


def permission_tokens(tokens: tuple[Token, ...], now: float) -> dict[str, int]:
    """How many tokens that have not expired grant each permission; 0 where all that grant it have expired.

    A never-expiring token counts, and so does one whose expiry could not be read: it may well be alive.
    """
    counts: dict[str, int] = {}
    for token in tokens:
        alive = token.state(now) is not TokenState.EXPIRED
        for permission in token.permissions:
            counts[permission] = counts.get(permission, 0) + alive
    return counts


def state_counts(tokens: tuple[Token, ...], now: float) -> dict[TokenState, int]:
    """How many tokens are in each state; every state has a number."""
    counts = dict.fromkeys(TokenState, 0)
    for token in tokens:
        counts[token.state(now)] += 1
    return counts


def token_series(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The tokens that can be told apart by their id and name: what may become one series each.

    Masked ids can coincide. Where two tokens share both, the one that expires first stands for them.
    """
    by_label: dict[tuple[str, str], Token] = {}
    for token in tokens:
        key = (token.token_id, token.name)
        twin = by_label.get(key)
        if twin is None or precedence(token) < precedence(twin):
            by_label[key] = token
    return tuple(by_label.values())


Order = tuple[bool, float, bool, float, bool, tuple[str, ...]]


def precedence(token: Token) -> Order:
    """The precedence among entries that stand for one token, lowest first: readable before not, sooner before later.

    It does not depend on the order in which they are listed.
    """
    expires_at, created_at = token.expires_at, token.created_at
    return (
        *(expires_at is None, expires_at or 0.0),
        *(created_at is None, created_at or 0.0),
        not token.permissions_read,
        token.permissions,
    )


_RELEVANCE = {
    TokenState.ACTIVE: 0,
    TokenState.NEVER_EXPIRES: 1,
    TokenState.UNKNOWN: 2,
    TokenState.EXPIRED: 3,
}


def most_relevant(
    tokens: tuple[Token, ...], most: int, now: float
) -> tuple[tuple[Token, ...], tuple[tuple[TokenState, int], ...]]:
    """Of more tokens than are kept those that matter most, and how many others there are in each state.

    Those that expire next come first, then those that never expire, then those whose expiry cannot be read, then the
    expired ones, the newest first. So whatever an alert will be about is kept.
    """
    if len(tokens) <= most:
        return tokens, ()

    def relevance(position: int) -> tuple[int, float, str, str, int]:
        token = tokens[position]
        state = token.state(now)
        expires_at = token.expires_at or 0.0
        sooner = -expires_at if state is TokenState.EXPIRED else expires_at
        return _RELEVANCE[state], sooner, token.token_id, token.name, position

    kept = set(heapq.nsmallest(most, range(len(tokens)), key=relevance))
    others = Counter(token.state(now) for position, token in enumerate(tokens) if position not in kept)
    # In the order in which they were listed.
    chosen = tuple(token for position, token in enumerate(tokens) if position in kept)
    return chosen, tuple((state, others[state]) for state in TokenState if others[state])
