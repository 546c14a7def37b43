"""Which policies a user's tokens break at a given time, and when that changes next. Pure: values and a time in."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.regex import compiled_regex
from exporter.model.token import NEVER
from exporter.policies.schema import (
    ExpiredNotRemoved,
    ForbiddenPermissions,
    MaxAge,
    MaxLifetime,
    NamePattern,
    NeverExpires,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.severity import Severity
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.definitions import Policy
    from exporter.policies.schema import Policies, PolicySection

_ALWAYS = -math.inf


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy that is broken.

    Attributes:
        policy: which one.
        severity: how bad the configuration holds it to be.
        token: the token that breaks it; None where it is the user.
        since: epoch seconds at which it began; None where that is not known.
    """

    policy: Policy
    severity: Severity
    token: Token | None
    since: float | None

    @property
    def token_id(self) -> str | None:
        """The id of the token that breaks it; None where it is the user."""
        return None if self.token is None else self.token.token_id


def violations(
    user: User, tokens: tuple[Token, ...], policies: Policies, now: float, more: int = 0
) -> tuple[Violation, ...]:
    """All that a user and their tokens break at the time ``now``, in the order of the policies.

    Args:
        user: whose tokens they are.
        tokens: those that are known one by one.
        policies: what tokens must be like.
        now: epoch seconds.
        more: unexpired tokens that are only counted.
    """
    return (*token_violations(user, tokens, policies, now), *user_violations(user, tokens, policies, now, more))


def token_violations(user: User, tokens: tuple[Token, ...], policies: Policies, now: float) -> Iterator[Violation]:
    """What single tokens break. Of tokens that share id and name, as masked ids can, one stands for all."""
    for policy, section in policies.of_tokens:
        seen = set()
        for token in tokens:
            begins, ends = _span(section, token)
            key = (token.token_id, token.name)
            if begins <= now < ends and key not in seen and not section.excuses(user, token, now):
                seen.add(key)
                since = token.created_at if begins == _ALWAYS else begins
                yield Violation(policy, section.severity, token, since)


def user_violations(
    user: User, tokens: tuple[Token, ...], policies: Policies, now: float, more: int = 0
) -> Iterator[Violation]:
    """What the user breaks: more unexpired tokens than allowed, those that an exception names not counted.

    ``more`` tokens are only counted, whatever an exception may name.
    """
    for policy, section in policies.of_users:
        if len(counted(user, tokens, policies, now)) + more > section.limit:
            yield Violation(policy, section.severity, None, None)


def counted(user: User, tokens: tuple[Token, ...], policies: Policies, now: float) -> list[Token]:
    """The tokens that `max_tokens_per_user` counts; none where that policy is not configured."""
    return [
        token
        for _, section in policies.of_users
        for token in tokens
        if now < _death(token) and not section.excuses(user, token, now)
    ]


def next_change(tokens: tuple[Token, ...], policies: Policies, now: float) -> float:
    """Epoch seconds until which no verdict on these tokens changes by time alone; `NEVER` if none ever does.

    It may be earlier than the next real change, never later.
    """
    if not policies.configured:
        return NEVER
    turns = [entry.ends_at for _, section in policies.sections for entry in section.exceptions]
    for token in tokens:
        turns.append(_death(token))
        for _, section in policies.of_tokens:
            turns.extend(_span(section, token))
    return min((turn for turn in turns if turn > now), default=NEVER)


def _death(token: Token) -> float:
    """When the token ceases to be judged as a living one; where nobody knows its expiry it may well be alive."""
    return NEVER if token.expires_at is None else token.expires_at


_NEVER_BROKEN = (NEVER, NEVER)


def _span(section: PolicySection, token: Token) -> tuple[float, float]:  # noqa: C901 - one case a policy
    """From when to when a token breaks a policy, in epoch seconds, the end not included."""
    created, expires, death = token.created_at, token.expires_at, _death(token)
    match section:
        case MaxLifetime():
            if created is not None and expires is not None and section.limit < expires - created < NEVER:
                return _ALWAYS, death
        case NeverExpires():
            if expires == NEVER:
                return _ALWAYS, NEVER
        case ForbiddenPermissions():
            if any(_matches(pattern, name) for name in token.permissions for pattern in section.permissions):
                return _ALWAYS, death
        case MaxAge():
            if created is not None:
                return created + section.limit, death
        case NamePattern():
            if not compiled_regex(section.pattern).fullmatch(token.name):
                return _ALWAYS, death
        case ExpiredNotRemoved():
            if expires is not None and expires < NEVER:
                return expires + section.after, NEVER
    return _NEVER_BROKEN


@functools.lru_cache(maxsize=4096)
def _matches(pattern: str, permission: str) -> bool:
    """Permissions are few and shared by all tokens."""
    return compiled_regex(pattern).fullmatch(permission) is not None
