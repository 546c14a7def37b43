"""Which policies a user's tokens violate at a given time, and when that changes next. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.token import NEVER
from exporter.policies.base import ALWAYS, expiry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.severity import Severity
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.base import Policy, UserPolicy
    from exporter.policies.schema import Policies


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy that is violated.

    Attributes:
        policy: the policy.
        severity: as configured for the policy.
        token: the token that violates it; None if the user does.
        since: epoch seconds at which the violation began; None if unknown.
    """

    policy: type[Policy]
    severity: Severity
    token: Token | None
    since: float | None

    @property
    def token_id(self) -> str | None:
        """The id of the token that violates the policy; None if the user does."""
        return None if self.token is None else self.token.token_id


def violations(
    user: User, tokens: tuple[Token, ...], policies: Policies, now: float, more: int = 0
) -> tuple[Violation, ...]:
    """All violations of a user and their tokens at the time ``now``: those of tokens first, in the order of policies.

    Args:
        user: the owner of the tokens.
        tokens: the tokens that are known individually.
        policies: the requirements.
        now: epoch seconds.
        more: number of unexpired tokens that are only counted.
    """
    return (*token_violations(user, tokens, policies, now), *user_violations(user, tokens, policies, now, more))


def token_violations(user: User, tokens: tuple[Token, ...], policies: Policies, now: float) -> Iterator[Violation]:
    """Violations of single tokens. Tokens with the same id and name, as masked ids can have, yield one violation."""
    for policy in policies.of_tokens:
        seen: set[tuple[str, str]] = set()
        span = policy.span
        for token in tokens:
            begins, ends = span(token)
            # Most tokens violate nothing.
            if not begins <= now < ends:
                continue
            key = (token.token_id, token.name)
            if key not in seen and not policy.exempts(user, token, now):
                seen.add(key)
                since = token.created_at if begins == ALWAYS else begins
                yield Violation(type(policy), policy.severity, token, since)


def user_violations(
    user: User, tokens: tuple[Token, ...], policies: Policies, now: float, more: int = 0
) -> Iterator[Violation]:
    """Violations of the user as a whole: more unexpired tokens than allowed, exempted ones not counted.

    No exemption applies to the ``more`` tokens that are only counted.
    """
    for policy in policies.of_users:
        if policy.violated_by(len(_counted(policy, user, tokens, now)) + more):
            yield Violation(type(policy), policy.severity, None, None)


def counted(user: User, tokens: tuple[Token, ...], policies: Policies, now: float) -> list[Token]:
    """The tokens that `max_tokens_per_user` counts; none if that policy is not configured."""
    return [token for policy in policies.of_users for token in _counted(policy, user, tokens, now)]


def _counted(policy: UserPolicy, user: User, tokens: tuple[Token, ...], now: float) -> list[Token]:
    unexpired = [token for token in tokens if now < expiry(token)]
    return [token for token in unexpired if not policy.exempts(user, token, now)] if policy.exceptions else unexpired


def next_change(tokens: tuple[Token, ...], policies: Policies, now: float, user: User | None = None) -> float:
    """Epoch seconds until which time alone changes no violation of these tokens; `NEVER` if it never does.

    The result may be earlier than the next real change, never later.

    Args:
        tokens: the tokens of one user.
        policies: the requirements.
        now: epoch seconds.
        user: the user; None to take every exemption for one that matches.
    """
    if not policies.enabled:
        return NEVER
    soonest = NEVER
    for policy in policies.enabled:
        for entry in policy.exceptions:
            if now < entry.ends_at < soonest and (user is None or any(entry.matches(user, token) for token in tokens)):
                soonest = entry.ends_at
    spans = [policy.span for policy in policies.of_tokens]
    for token in tokens:
        if now < (ends := expiry(token)) < soonest:
            soonest = ends
        for span in spans:
            begins, ends = span(token)
            if now < begins < soonest:
                soonest = begins
            if now < ends < soonest:
                soonest = ends
    return soonest
