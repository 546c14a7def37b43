"""What the report says, as values. Pure: the state, the policies and a time in, a summary out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.severity import Severity
from exporter.model.token import NEVER, Token, TokenState
from exporter.policies.evaluate import violations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies

WEEKS = 26
"""How many weeks ahead are counted one by one."""
WEEK = 7 * 86400.0
SHOWN = 10
"""How many of the oldest, the most powerful and the richest are named."""
_URGENCY = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of one organization, or of all.

    Attributes:
        name: the organization; "" for all.
        users: users watched.
        failing: users of whom nothing current is known.
        states: tokens in each state, every state there.
    """

    name: str
    users: int
    failing: int
    states: dict[TokenState, int]

    @property
    def tokens(self) -> int:
        """All tokens listed."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Held:
    """A token and whose it is."""

    organization: str
    user: User
    token: Token


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and how many tokens they have: all, and those that have not expired."""

    organization: str
    user: User
    tokens: int
    unexpired: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A policy that somebody breaks; without a token it is the user's tokens together."""

    organization: str
    user: User
    token: Token | None
    policy: type[Policy]
    severity: Severity


@dataclass(frozen=True, slots=True)
class PolicyCount:
    """How often a configured policy is broken."""

    policy: type[Policy]
    severity: Severity
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole report.

    Attributes:
        at: epoch seconds that everything is worked out for.
        total: the numbers of all organizations.
        organizations: those of each, in the order of the configuration.
        policies: the configured policies, with how often each is broken.
        broken: each violation, the most urgent first.
        weeks: tokens that expire in each of the next `WEEKS` weeks, by the whole weeks that they have left.
        later: tokens that expire after that.
        oldest: unexpired tokens, those created first.
        powerful: unexpired tokens that grant the most permissions.
        owners: the users with the most unexpired tokens.
        failures: sentences that say whose tokens could not be read, and why.
    """

    at: float
    total: Totals
    organizations: tuple[Totals, ...]
    policies: tuple[PolicyCount, ...]
    broken: tuple[Broken, ...]
    weeks: tuple[int, ...]
    later: int
    oldest: tuple[Held, ...]
    powerful: tuple[Held, ...]
    owners: tuple[Owner, ...]
    failures: tuple[str, ...]


def summarize(view: View, policies: Policies, now: float, failures: tuple[str, ...] = ()) -> Summary:
    """The report at the time ``now``.

    Args:
        view: what is known.
        policies: what tokens must be like.
        now: epoch seconds.
        failures: what a sweep says of those that it could not read.
    """
    organizations = tuple(_totals(one, now) for one in view.organizations)
    held = [
        Held(one.name, state.user, token)
        for one in view.organizations
        for state in one.users
        for token in state.tokens
        if token.state(now) is not TokenState.EXPIRED
    ]
    broken = _broken(view, policies, now)
    counts = Counter(one.policy for one in broken)
    left = Counter(
        int((one.token.expires_at - now) // WEEK)
        for one in held
        if one.token.expires_at is not None and one.token.state(now) is TokenState.ACTIVE
    )
    return Summary(
        at=now,
        total=_sum(organizations),
        organizations=organizations,
        policies=tuple(PolicyCount(type(one), one.severity, counts[type(one)]) for one in policies.enabled),
        broken=broken,
        weeks=tuple(left[week] for week in range(WEEKS)),
        later=sum(count for week, count in left.items() if week >= WEEKS),
        oldest=tuple(sorted((one for one in held if one.token.created_at is not None), key=_by_age)[:SHOWN]),
        powerful=tuple(sorted((one for one in held if one.token.permissions), key=_by_power)[:SHOWN]),
        owners=_owners(view, now),
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


def _broken(view: View, policies: Policies, now: float) -> tuple[Broken, ...]:
    found = [
        Broken(organization.name, state.user, one.token, one.policy, one.severity)
        for organization in view.organizations
        for state in organization.users
        for one in violations(state.user, state.tokens, policies, now, state.unexpired_left_out)
    ]
    return tuple(
        sorted(found, key=lambda one: (_URGENCY[one.severity], one.policy.name, one.organization, one.user.name))
    )


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


def _by_age(one: Held) -> tuple[float, str, str]:
    created = NEVER if one.token.created_at is None else one.token.created_at
    return created, one.organization, one.token.token_id


def _by_power(one: Held) -> tuple[int, float, str, str]:
    """Of those that grant as much, the oldest first."""
    return -len(one.token.permissions), *_by_age(one)
