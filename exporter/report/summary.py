"""The content of the report as values. Pure: state, policies and time in, summary out."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.permission import granted
from exporter.model.severity import Severity
from exporter.model.token import NEVER, Token, TokenState
from exporter.policies.evaluate import violations
from exporter.report.exemptions import reported_exemptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import Reason
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies
    from exporter.report.exemptions import ReportedExemption

WEEKS = 26
"""How many of the next weeks are counted separately."""
WEEK = 7 * 86400.0
SHOWN = 10
"""How many of the oldest tokens, the tokens with the most permissions and the users with the most tokens are listed."""
_RANK = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of one organization, or of all.

    Attributes:
        name: the organization; "" for all.
        users: watched users.
        failing: users whose last poll failed or who have not been polled yet.
        states: tokens by state; every state has an entry.
    """

    name: str
    users: int
    failing: int
    states: dict[TokenState, int]

    @property
    def tokens(self) -> int:
        """All tokens."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Held:
    """A token or an SSH key, and its owner."""

    organization: str
    user: User
    token: Token


@dataclass(frozen=True, slots=True)
class Owner:
    """A user with the number of all tokens and of unexpired tokens."""

    organization: str
    user: User
    tokens: int
    unexpired: int


@dataclass(frozen=True, slots=True)
class Powers:
    """A user with the number of unexpired tokens and the permissions that they grant together."""

    organization: str
    user: User
    unexpired: int
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failing:
    """A user whose tokens are not known, and why; None if the user was not polled."""

    organization: str
    user: User
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class ReportedViolation:
    """A violation of a policy; `token` is None if the user's tokens together violate it."""

    organization: str
    user: User
    token: Token | None
    policy: type[Policy]
    severity: Severity


@dataclass(frozen=True, slots=True)
class PolicyCount:
    """The number of violations of a configured policy."""

    policy: type[Policy]
    severity: Severity
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole report.

    Attributes:
        at: epoch seconds for which everything is computed.
        total: the numbers of all organizations.
        organizations: those of each, in the order of the configuration.
        policies: the configured policies with their numbers of violations.
        violations: all violations, the most severe first.
        weeks: tokens that expire in each of the next `WEEKS` weeks, by whole weeks left.
        later: tokens that expire after that.
        oldest: the unexpired tokens that were created first.
        most_permissions: the unexpired tokens with the most permissions.
        owners: the users with the most unexpired tokens.
        next_to_expire: the active tokens that expire next.
        expired: all expired tokens, the latest first.
        never_expiring: all tokens that never expire, the oldest first.
        powers: the users whose tokens together grant the most permissions.
        exemptions: the exemptions from policies.
        failing: the users whose tokens are not known.
        ssh_keys: all SSH keys, those that expire next first. Nothing above is about them.
        failures: sentences about the users whose tokens could not be fetched, with the reason.
    """

    at: float
    total: Totals
    organizations: tuple[Totals, ...]
    policies: tuple[PolicyCount, ...]
    violations: tuple[ReportedViolation, ...]
    weeks: tuple[int, ...]
    later: int
    oldest: tuple[Held, ...]
    most_permissions: tuple[Held, ...]
    owners: tuple[Owner, ...]
    next_to_expire: tuple[Held, ...]
    expired: tuple[Held, ...]
    never_expiring: tuple[Held, ...]
    powers: tuple[Powers, ...]
    exemptions: tuple[ReportedExemption, ...]
    failing: tuple[Failing, ...]
    ssh_keys: tuple[Held, ...]
    failures: tuple[str, ...]


def summarize(view: View, policies: Policies, now: float, failures: tuple[str, ...] = ()) -> Summary:
    """The report at ``now``.

    Args:
        view: the state of all users.
        policies: the configured policies.
        now: epoch seconds.
        failures: sentences about the users that a sweep could not poll.
    """
    organizations = tuple(_totals(one, now) for one in view.organizations)
    every = [
        Held(one.name, state.user, token) for one in view.organizations for state in one.users for token in state.tokens
    ]
    held = [one for one in every if one.token.state(now) is not TokenState.EXPIRED]
    active = [one for one in held if one.token.state(now) is TokenState.ACTIVE]
    found = _violations(view, policies, now)
    counts = Counter(one.policy for one in found)
    left = Counter(int((one.token.expires_at - now) // WEEK) for one in active if one.token.expires_at is not None)
    expired = (one for one in every if one.token.state(now) is TokenState.EXPIRED)
    endless = (one for one in held if one.token.state(now) is TokenState.NEVER_EXPIRES)
    return Summary(
        at=now,
        total=_sum(organizations),
        organizations=organizations,
        policies=tuple(PolicyCount(type(one), one.severity, counts[type(one)]) for one in policies.enabled),
        violations=found,
        weeks=tuple(left[week] for week in range(WEEKS)),
        later=sum(count for week, count in left.items() if week >= WEEKS),
        oldest=tuple(sorted((one for one in held if one.token.created_at is not None), key=_by_age)[:SHOWN]),
        most_permissions=tuple(sorted((one for one in held if one.token.permissions), key=_by_permissions)[:SHOWN]),
        owners=_owners(view, now),
        next_to_expire=tuple(heapq.nsmallest(SHOWN, active, key=_by_expiry)),
        expired=tuple(sorted(expired, key=_latest_first)),
        never_expiring=tuple(sorted(endless, key=_by_age)),
        powers=_powers(view, now),
        exemptions=reported_exemptions(view, policies, now),
        failing=tuple(_failing(view)),
        ssh_keys=_ssh_keys(view),
        failures=failures,
    )


def _totals(organization: OrganizationView, now: float) -> Totals:
    states = dict.fromkeys(TokenState, 0)
    for user in organization.users:
        for state, count in user.counts(now).items():
            states[state] += count
    failing = sum(user.failure is not None or not user.polled for user in organization.users)
    return Totals(organization.name, len(organization.users), failing, states)


def _sum(totals: Iterable[Totals]) -> Totals:
    every = tuple(totals)
    states = {state: sum(one.states[state] for one in every) for state in TokenState}
    return Totals("", sum(one.users for one in every), sum(one.failing for one in every), states)


def _violations(view: View, policies: Policies, now: float) -> tuple[ReportedViolation, ...]:
    found = [
        ReportedViolation(organization.name, state.user, one.token, one.policy, one.severity)
        for organization in view.organizations
        for state in organization.users
        for one in violations(state.user, state.tokens, policies, now, state.unexpired_left_out)
    ]
    return tuple(sorted(found, key=lambda one: (_RANK[one.severity], one.policy.name, one.organization, one.user.name)))


def _owners(view: View, now: float) -> tuple[Owner, ...]:
    found = []
    for organization in view.organizations:
        for state in organization.users:
            counts = state.counts(now)
            tokens = sum(counts.values())
            if unexpired := tokens - counts[TokenState.EXPIRED]:
                found.append(Owner(organization.name, state.user, tokens, unexpired))
    found.sort(key=lambda one: (-one.unexpired, -one.tokens, one.organization, one.user.name, one.user.user_id))
    return tuple(found[:SHOWN])


def _powers(view: View, now: float) -> tuple[Powers, ...]:
    found = []
    for organization in view.organizations:
        for state in organization.users:
            unexpired = [token for token in state.tokens if token.state(now) is not TokenState.EXPIRED]
            if permissions := {name for token in unexpired for name in granted(token.permissions)}:
                found.append(Powers(organization.name, state.user, len(unexpired), tuple(sorted(permissions))))
    found.sort(key=lambda one: (-len(one.permissions), one.organization, one.user.name, one.user.user_id))
    return tuple(found[:SHOWN])


def _failing(view: View) -> Iterator[Failing]:
    for organization in view.organizations:
        for state in organization.users:
            if state.failure is not None or not state.polled:
                reason = None if state.failure is None else state.failure.reason
                yield Failing(organization.name, state.user, reason)


def _ssh_keys(view: View) -> tuple[Held, ...]:
    found = [
        Held(organization.name, state.user, key)
        for organization in view.organizations
        for state in organization.users
        for key in state.ssh_keys or ()
    ]
    return tuple(sorted(found, key=_by_expiry))


def _by_expiry(one: Held) -> tuple[float, str, str, str]:
    expires = NEVER if one.token.expires_at is None else one.token.expires_at
    return expires, one.organization, one.user.name, one.token.token_id


def _latest_first(one: Held) -> tuple[float, str, str, str]:
    expired, organization, user, token_id = _by_expiry(one)
    return -expired, organization, user, token_id


def _by_age(one: Held) -> tuple[float, str, str]:
    created = NEVER if one.token.created_at is None else one.token.created_at
    return created, one.organization, one.token.token_id


def _by_permissions(one: Held) -> tuple[int, float, str, str]:
    """The most permissions first; of those with equally many, the oldest."""
    return -len(one.token.permissions), *_by_age(one)
