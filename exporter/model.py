"""What the product knows: users, their tokens, and how the last poll of each went. Frozen values, no I/O."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, replace
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


class Severity(StrEnum):
    """How soon somebody should look at what is wrong."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Reason(StrEnum):
    """Why a poll failed: the closed list that errors, metrics, logs, the page and the docs share."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    REDIRECT = "redirect"
    INVALID_RESPONSE = "invalid_response"
    INTERNAL = "internal"

    @property
    def meaning(self) -> str:
        """What the reason means to an operator, and what to do about it."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.UNAUTHORIZED: "the exporter's own token is wrong, revoked or has expired; put a new one into its token file",
    Reason.FORBIDDEN: (
        "the exporter's token lacks the permission base_user_read or its owner is no enterprise administrator, "
        "or the user is outside the organization"
    ),
    Reason.NOT_FOUND: "the platform knows no such user, or the endpoint has no such call; check the user id",
    Reason.UNSUPPORTED: "this edition of the platform, or this kind of token, does not offer the call",
    Reason.RATE_LIMITED: "the platform asked to slow down; lower limits.requests_per_second or raise poll.interval",
    Reason.SERVER_ERROR: "the platform failed by itself (HTTP 5xx); it is asked again with the next sweep",
    Reason.TIMEOUT: "no whole answer came within poll.timeout",
    Reason.CONNECTION: "no connection, or it broke off; check address, DNS, firewall and proxy",
    Reason.TLS: "the TLS handshake failed; check the certificate, tls.ca_file and tls.server_name",
    Reason.REDIRECT: "the endpoint redirects elsewhere; redirects are refused, for they would carry the token along",
    Reason.INVALID_RESPONSE: "the answer is not the API's (a login page, a proxy's page, broken JSON); check endpoint",
    Reason.INTERNAL: "a defect of the exporter; please report it with the log's traceback",
}


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


@dataclass(frozen=True, slots=True)
class OwnThresholds:
    """How long before expiry a user's tokens are worth an alert, in seconds; None as for everybody."""

    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to write to about a user's tokens; None for what is not known.

    Attributes:
        department: the names of the user's departments, or their ids where no name is told.
    """

    email: str | None = None
    department: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user to watch: the id that the token call needs, the name to show, and what the user's alerts carry.

    Attributes:
        labels: names and values in the order of the names.
        thresholds: the user's own; None as for everybody.
        owner: whom to write to; None where nothing is known.
    """

    user_id: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    thresholds: OwnThresholds | None = None
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a poll failed, in words that are safe to show: they never hold a secret or a body."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class UserState:
    """The latest knowledge about one user. A failed poll keeps the tokens last seen.

    Attributes:
        tokens: the tokens of the last successful poll; of more than are kept the most relevant ones.
        last_success: epoch seconds of that poll; None before the first.
        polled: whether a poll has ended, well or badly.
        failure: why the last poll failed; None if it worked.
        failing_since: epoch seconds of the first failure of the current run of failures.
        failures: how many polls have failed since the last one that worked.
        left_out: how many tokens more there are than are kept, by their state at that poll; nothing for none.
    """

    user: User
    tokens: tuple[Token, ...] = ()
    last_success: float | None = None
    polled: bool = False
    failure: Failure | None = None
    failing_since: float | None = None
    failures: int = 0
    left_out: tuple[tuple[TokenState, int], ...] = ()

    def about(self, user: User) -> UserState:
        """The same knowledge under the user's new name."""
        return replace(self, user=user)

    def succeeded(self, tokens: tuple[Token, ...], at: float, most: int = MOST_TOKENS) -> UserState:
        """The state after a poll that worked, with as many of the tokens as are kept at most."""
        kept, left_out = most_relevant(self._completed(tokens), most, at)
        return UserState(user=self.user, tokens=kept, last_success=at, polled=True, left_out=left_out)

    @property
    def tokens_left_out(self) -> int:
        """How many tokens are only counted."""
        return sum(count for _, count in self.left_out)

    @property
    def unexpired_left_out(self) -> int:
        """How many of those had not expired at the last successful poll."""
        return sum(count for state, count in self.left_out if state is not TokenState.EXPIRED)

    def counts(self, now: float) -> dict[TokenState, int]:
        """How many tokens are in each state, those that are only counted as they were at the last successful poll."""
        counts = state_counts(self.tokens, now)
        for state, count in self.left_out:
            counts[state] += count
        return counts

    def _completed(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """Tokens with the permissions known from before where they could not be read: that is no news about them."""
        if all(token.permissions_read for token in tokens):
            return tokens
        known = {(token.token_id, token.name): token.permissions for token in self.tokens}
        return tuple(
            token
            if token.permissions_read
            else replace(token, permissions=known.get((token.token_id, token.name), token.permissions))
            for token in tokens
        )

    def failed(self, failure: Failure, at: float) -> UserState:
        """The state after a poll that did not."""
        since = at if self.failing_since is None else self.failing_since
        return replace(self, polled=True, failure=failure, failing_since=since, failures=self.failures + 1)


_END_OF_TIME = 253_402_300_800.0
"""The end of the year 9999: what comes later no calendar holds."""


def is_time(epoch: float) -> bool:
    """Whether a number read from storage can be a time of this exporter; NaN and infinity are none."""
    return 0 <= epoch < _END_OF_TIME


def is_sound(state: UserState) -> bool:
    """Whether the numbers of a state read from storage make sense.

    A time that is NaN compares with nothing, and one far in the future would count as the newest for ever.
    """
    own = (state.last_success, state.failing_since)
    listed = [time for token in state.tokens for time in (token.created_at, token.expires_at)]
    return (
        all(time is None or is_time(time) for time in own)
        and not any(time is not None and math.isnan(time) for time in listed)
        and state.failures >= 0
        and all(count >= 0 for _, count in state.left_out)
    )


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
