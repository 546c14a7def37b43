"""The state of a user, and the reasons why a poll fails."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from exporter.model.event import pairs
from exporter.model.ssh_key import SshKey  # noqa: TC001 - msgspec reads the annotations
from exporter.model.times import is_time
from exporter.model.token import (
    MOST_TOKENS,
    Credential,
    CredentialKind,
    Token,
    TokenState,
    most_relevant,
    state_counts,
)
from exporter.model.user import User  # noqa: TC001 - msgspec reads the annotations
from exporter.texts.catalogue import Language, catalogue


class Reason(StrEnum):
    """Why a poll failed: the closed list shared by errors, metrics, logs, the page and the docs."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
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
        return catalogue(Language.EN).reasons[self].meaning


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
        unreadable: the number of entries of that poll that could not be read as tokens.
        unlisted: id and name of the tokens that are kept although that poll did not list them, since an unreadable
            entry may be one of them.
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
    unreadable: int = 0
    unlisted: tuple[tuple[str, str], ...] = ()
    ssh_keys: tuple[SshKey, ...] | None = None

    def about(self, user: User) -> UserState:
        """The same state for a user whose entry has changed."""
        return replace(self, user=user)

    def succeeded(
        self,
        tokens: tuple[Token, ...],
        at: float,
        most: int = MOST_TOKENS,
        *,
        unreadable: int = 0,
        ssh_keys: tuple[SshKey, ...] | None = None,
    ) -> UserState:
        """The state after a successful poll.

        Args:
            tokens: the tokens that it listed.
            at: epoch seconds of the poll.
            most: the number of tokens to keep, and of SSH keys.
            unreadable: the number of entries that could not be read as tokens.
            ssh_keys: the SSH keys; None if they are not watched or have never been listed.
        """
        unlisted = self._unlisted(tokens, unreadable)
        kept, left_out = most_relevant((*_all_completed(tokens, self.tokens), *unlisted), most, at)
        if ssh_keys is not None:
            ssh_keys = most_relevant(_all_completed(ssh_keys, self.ssh_keys or ()), most, at)[0]
        return UserState(
            user=self.user,
            tokens=kept,
            last_success=at,
            polled=True,
            left_out=left_out,
            unreadable=unreadable,
            unlisted=tuple([(token.token_id, token.name) for token in unlisted]),
            ssh_keys=ssh_keys,
        )

    @property
    def works(self) -> bool:
        """Whether the last poll succeeded."""
        return self.polled and self.failure is None

    @property
    def refused_with_all(self) -> bool:
        """Whether the poll failed for all users at once: the platform refuses the token."""
        return self.failure is not None and self.failures == 0

    @property
    def credentials(self) -> tuple[Token, ...]:
        """The tokens and the SSH keys."""
        return (*self.tokens, *self.ssh_keys) if self.ssh_keys else self.tokens

    def of_kind(self, kind: CredentialKind) -> tuple[Token, ...]:
        """The credentials of one kind."""
        return self.tokens if kind is CredentialKind.TOKEN else self.ssh_keys or ()

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

    def _unlisted(self, tokens: tuple[Token, ...], unreadable: int) -> tuple[Token, ...]:
        """The known tokens that are not listed, as far as an unreadable entry may be one of them.

        Once an entry is unreadable, it stays so for many polls. So only more unreadable entries than before explain
        further missing tokens; a token that disappears while their number stays has been deleted.
        """
        if not unreadable:
            return ()
        missing = [old for old, new in pairs(self.tokens, tokens) if old is not None and new is None]
        if unreadable > self.unreadable:
            return tuple(missing)
        return tuple([token for token in missing if (token.token_id, token.name) in self.unlisted])

    def failed(self, failure: Failure, at: float) -> UserState:
        """The state after a failed poll."""
        since = at if self.failing_since is None else self.failing_since
        return replace(self, polled=True, failure=failure, failing_since=since, failures=self.failures + 1)


def _all_completed(listed: tuple[Credential, ...], known: tuple[Credential, ...]) -> tuple[Credential, ...]:
    """Tokens or keys as listed, with what is known of them where it could not be read.

    One answer with an unreadable date does not make the known dates of the same token wrong.
    """
    if all(one.permissions_read and None not in {one.expires_at, one.created_at} for one in listed):
        return listed
    before = {id(new): old for old, new in pairs(known, listed) if new is not None}
    return tuple([_completed(one, cast("Credential | None", before.get(id(one)))) for one in listed])


def _completed(token: Credential, known: Credential | None) -> Credential:
    """A token or key with its last known permissions and dates where they could not be read."""
    if known is None or (None not in {token.created_at, known.created_at} and token.created_at != known.created_at):
        return token
    if token.created_at is None and known.created_at is not None:
        token = replace(token, created_at=known.created_at)
    if not token.permissions_read:
        token = replace(token, permissions=known.permissions)
    if token.expires_at is None:
        token = replace(token, expires_at=known.expires_at, listed_expiry=known.listed_expiry)
    return token


def is_sound(state: UserState) -> bool:
    """Whether the numbers of a state read from storage make sense.

    A time that is NaN compares with nothing, and one far in the future would count as the newest for ever.
    """
    for time in (state.last_success, state.failing_since):
        if time is not None and not is_time(time):
            return False
    # Without a generator: a start checks 100,000 states.
    for token in state.credentials:
        for time in (token.created_at, token.expires_at, token.listed_expiry):
            if time is not None and math.isnan(time):
                return False
    for key in state.ssh_keys or ():
        if key.last_used_at is not None and math.isnan(key.last_used_at):
            return False
    return state.failures >= 0 and state.unreadable >= 0 and all(count >= 0 for _, count in state.left_out)
