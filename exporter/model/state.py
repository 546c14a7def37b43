"""The state of a user, and the reasons why a poll fails."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.model.ssh_key import SshKey  # noqa: TC001 - msgspec reads the annotations
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
    """Why a poll failed: the closed list shared by errors, metrics, logs, the page and the docs."""

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
        """The meaning for an operator, and what to do."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.UNAUTHORIZED: (
        "the exporter's own token is wrong, revoked or has expired; create one (Personal Settings > Access Token, "
        "个人设置 > 个人访问令牌) and put it into the token file"
    ),
    Reason.FORBIDDEN: (
        "the exporter's token lacks a permission (for tokens: Organization Management / User / Read-only, "
        "组织管理 / 用户 / 只读, base_user_read), its owner is not an enterprise administrator, or the user is "
        "outside the organization"
    ),
    Reason.NOT_FOUND: "the platform does not know the user, or the endpoint does not have the call; check the user id",
    Reason.UNSUPPORTED: (
        "this edition of the platform, or this kind of token, does not offer the call; only the Enterprise Dedicated "
        "Edition (企业专属版) does"
    ),
    Reason.RATE_LIMITED: "the platform throttled requests; lower limits.requests_per_second or raise poll.interval",
    Reason.SERVER_ERROR: "an error of the platform (HTTP 5xx); the next sweep tries again",
    Reason.TIMEOUT: "no complete response within poll.timeout",
    Reason.CONNECTION: "the connection failed or was interrupted; check address, DNS, firewall and proxy",
    Reason.TLS: "the TLS handshake failed; check endpoint, the certificate, tls.ca_file and tls.server_name",
    Reason.REDIRECT: (
        "the endpoint redirects, often to a login page: the address is wrong or the token was refused; redirects are "
        "not followed, since they would forward the token"
    ),
    Reason.INVALID_RESPONSE: (
        "the response is not the API's (a page of the console, of a login or of a proxy, invalid JSON); check endpoint"
    ),
    Reason.INTERNAL: "a defect of the exporter; please report it with the traceback in the log",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a poll failed. The message is safe to show: it never contains a secret or a response body."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class UserState:
    """The last known state of one user. A failed poll keeps the last known tokens.

    Attributes:
        tokens: the tokens of the last successful poll; the most relevant ones if there are more than are kept.
        last_success: epoch seconds of that poll; None before the first.
        polled: whether a poll has ended, successful or not.
        failure: why the last poll failed; None if it succeeded.
        failing_since: epoch seconds of the first failed poll since the last successful one.
        failures: the number of failed polls since the last successful one.
        left_out: the number of tokens that are not kept, by their state at that poll; empty if all are kept.
        ssh_keys: the SSH keys as last listed; None if they are not watched or have not been listed yet. Apart from the
            tokens, since counts, permissions and policies are about tokens only.
    """

    user: User
    tokens: tuple[Token, ...] = ()
    last_success: float | None = None
    polled: bool = False
    failure: Failure | None = None
    failing_since: float | None = None
    failures: int = 0
    left_out: tuple[tuple[TokenState, int], ...] = ()
    ssh_keys: tuple[SshKey, ...] | None = None

    def about(self, user: User) -> UserState:
        """The same state for a user whose entry has changed."""
        return replace(self, user=user)

    def succeeded(
        self,
        tokens: tuple[Token, ...],
        at: float,
        most: int = MOST_TOKENS,
        ssh_keys: tuple[SshKey, ...] | None = None,
    ) -> UserState:
        """The state after a successful poll; keeps at most ``most`` of the tokens, and of the SSH keys."""
        kept, left_out = most_relevant(self._completed(tokens), most, at)
        keys = None if ssh_keys is None else most_relevant(ssh_keys, most, at)[0]
        return UserState(user=self.user, tokens=kept, last_success=at, polled=True, left_out=left_out, ssh_keys=keys)

    @property
    def credentials(self) -> tuple[Token, ...]:
        """The tokens and the SSH keys."""
        return (*self.tokens, *self.ssh_keys) if self.ssh_keys else self.tokens

    @property
    def tokens_left_out(self) -> int:
        """The number of tokens that are only counted."""
        return sum(count for _, count in self.left_out)

    @property
    def unexpired_left_out(self) -> int:
        """The number of these that had not expired at the last successful poll."""
        return sum(count for state, count in self.left_out if state is not TokenState.EXPIRED)

    def counts(self, now: float) -> dict[TokenState, int]:
        """The number of tokens by state, including those only counted, in their state at the last successful poll."""
        counts = state_counts(self.tokens, now)
        for state, count in self.left_out:
            counts[state] += count
        return counts

    def _completed(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """The tokens, with the last known permissions where they could not be parsed."""
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
        """The state after a failed poll."""
        since = at if self.failing_since is None else self.failing_since
        return replace(self, polled=True, failure=failure, failing_since=since, failures=self.failures + 1)


def is_sound(state: UserState) -> bool:
    """Whether the numbers of a state read from storage make sense.

    A time that is NaN compares with nothing, and one far in the future would count as the newest for ever.
    """
    own = (state.last_success, state.failing_since)
    listed = [time for token in state.credentials for time in (token.created_at, token.expires_at)]
    listed += [key.last_used_at for key in state.ssh_keys or ()]
    return (
        all(time is None or is_time(time) for time in own)
        and not any(time is not None and math.isnan(time) for time in listed)
        and state.failures >= 0
        and all(count >= 0 for _, count in state.left_out)
    )
