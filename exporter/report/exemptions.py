"""The exemptions from policies, with the tokens that they exempt now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.policies.base import TokenPolicy, expiry

if TYPE_CHECKING:
    from datetime import date

    from exporter.model.snapshot import View
    from exporter.model.token import Token
    from exporter.policies.base import Exemption, Policy
    from exporter.policies.schema import Policies

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class ReportedExemption:
    """An exemption from a policy.

    Attributes:
        policy: the policy.
        user: the id or name of the user; None for every user.
        token_id: the id of the token; None for every token.
        name: a regular expression for the name of the token; None for every name.
        reason: why it exists.
        until: its last day, in UTC.
        days_left: whole days until its end; negative if it has ended.
        tokens: the number of tokens that would violate the policy without it; 0 if it has ended.
    """

    policy: type[Policy]
    user: str | None
    token_id: str | None
    name: str | None
    reason: str
    until: date
    days_left: int
    tokens: int


def reported_exemptions(view: View, policies: Policies, now: float) -> tuple[ReportedExemption, ...]:
    """All exemptions of the configuration, in its order."""
    return tuple(
        ReportedExemption(
            type(policy),
            entry.user,
            entry.token_id,
            entry.name,
            entry.reason,
            entry.until,
            int((entry.ends_at - now) // _DAY),
            _exempted(view, policy, entry, now) if entry.active(now) else 0,
        )
        for policy in policies.enabled
        for entry in policy.exceptions
    )


def _exempted(view: View, policy: Policy, entry: Exemption, now: float) -> int:
    return sum(
        entry.matches(state.user, token) and _counts(policy, token, now)
        for organization in view.organizations
        for state in organization.users
        for token in state.tokens
    )


def _counts(policy: Policy, token: Token, now: float) -> bool:
    """Whether the policy is about a token now: it violates it, or counts for the limit of its user."""
    if isinstance(policy, TokenPolicy):
        begins, ends = policy.span(token)
        return begins <= now < ends
    return now < expiry(token)
