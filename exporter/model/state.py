"""What is known about a user after a poll, and why a poll fails."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.model.times import is_time
from exporter.model.token import (
    MOST_TOKENS,
    Token,
    TokenState,
    most_relevant,
    state_counts,
)
from exporter.model.user import User  # noqa: TC001 - msgspec reads the annotations


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
