"""Tokens, their states, and which of many are kept."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Self, TypeVar

NEVER = math.inf
"""The expiry of a token that never expires, in epoch seconds."""

LONGEST_LIFE = 3650 * 86_400.0
"""Default for the seconds after which an expiry counts as never."""

MOST_TOKENS = 1000
"""Default for the number of tokens kept per user; further tokens are only counted."""

MOST_LISTED = 20_000
"""Entries accepted in one response, and so the largest number of tokens kept per user."""


class CredentialKind(StrEnum):
    """The kinds of credentials that are watched, as the label `kind` names them."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    SSH_KEY = "ssh_key"


class TokenState(StrEnum):
    """The state of a token at a given time; each token is in exactly one."""

    ACTIVE = "active"
    EXPIRED = "expired"
    NEVER_EXPIRES = "never_expires"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Token:
    """A personal access token as the platform lists it, without the secret.

    Attributes:
        token_id: the part of the token before ``_``; may be masked with ``*``.
        name: the name given by its owner, not unique; the id if there is none.
        permissions: the permissions it grants, sorted, without duplicates.
        created_at: epoch seconds; None if there is no readable date.
        expires_at: epoch seconds; `NEVER` if it never expires; None if the date has never been readable.
        permissions_read: whether the list of permissions could be parsed; if not, the last known ones apply.
        listed_expiry: epoch seconds of the date that the platform lists, if that is so far away that the token counts
            as one that never expires; else None.
        description: what its owner wrote about it; "" for nothing. Never a label.
    """

    kind: ClassVar[CredentialKind] = CredentialKind.TOKEN

    token_id: str
    name: str
    permissions: tuple[str, ...] = ()
    created_at: float | None = None
    expires_at: float | None = NEVER
    permissions_read: bool = True
    listed_expiry: float | None = None
    description: str = ""

    def state(self, now: float) -> TokenState:
        """The state at the time ``now``, in epoch seconds; at the moment of expiry the token has expired."""
        if self.expires_at is None:
            return TokenState.UNKNOWN
        if self.expires_at == NEVER:
            return TokenState.NEVER_EXPIRES
        return TokenState.EXPIRED if self.expires_at <= now else TokenState.ACTIVE

    def within(self, longest: float, now: float) -> Self:
        """The same token; as one that never expires if its expiry is too far away.

        Args:
            longest: seconds from its creation, or from now if that is unknown, until which an expiry counts as a date.
                In the last tenth of this time before an expiry it is a date as well: what ends soon must cause alerts.
            now: epoch seconds.
        """
        if self.expires_at is None or self.expires_at == NEVER or self.expires_at - now < longest / 10:
            return self
        if self.expires_at - (now if self.created_at is None else self.created_at) <= longest:
            return self
        return replace(self, expires_at=NEVER, listed_expiry=self.expires_at)

    @property
    def platform_expiry(self) -> float | None:
        """The expiry as the platform lists it, however far away; `NEVER` and None as in `expires_at`."""
        return self.expires_at if self.listed_expiry is None else self.listed_expiry


def state_counts(tokens: tuple[Token, ...], now: float) -> dict[TokenState, int]:
    """The number of tokens in each state, including 0."""
    counts = dict.fromkeys(TokenState, 0)
    for token in tokens:
        counts[token.state(now)] += 1
    return counts


Credential = TypeVar("Credential", bound=Token)


def token_series(tokens: tuple[Credential, ...]) -> tuple[Credential, ...]:
    """The tokens with distinct ids and names, which may get one series each.

    Different tokens can have the same masked id. Of tokens with the same id and name, the first to expire is kept.
    """
    by_label: dict[tuple[str, str], Credential] = {}
    for token in tokens:
        key = (token.token_id, token.name)
        twin = by_label.get(key)
        if twin is None or precedence(token) < precedence(twin):
            by_label[key] = token
    return tuple(by_label.values())


Order = tuple[bool, float, bool, float, bool, tuple[str, ...], str]


def precedence(token: Token) -> Order:
    """The sort key among entries with the same labels: readable before unreadable, earlier before later.

    It does not depend on the order in which the platform lists them.
    """
    expires_at, created_at = token.expires_at, token.created_at
    return (
        *(expires_at is None, expires_at or 0.0),
        *(created_at is None, created_at or 0.0),
        not token.permissions_read,
        token.permissions,
        token.description,
    )


_RELEVANCE = {
    TokenState.ACTIVE: 0,
    TokenState.NEVER_EXPIRES: 1,
    TokenState.UNKNOWN: 2,
    TokenState.EXPIRED: 3,
}


def most_relevant(
    tokens: tuple[Credential, ...], most: int, now: float
) -> tuple[tuple[Credential, ...], tuple[tuple[TokenState, int], ...]]:
    """At most ``most`` tokens, the most relevant ones, and the number of the others by state.

    Tokens that expire next come first, then those that never expire, then those with an unreadable expiry, then expired
    ones, the latest first. So every token that may cause an alert is kept.
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
    # In the order of the list.
    chosen = tuple(token for position, token in enumerate(tokens) if position in kept)
    return chosen, tuple((state, others[state]) for state in TokenState if others[state])
