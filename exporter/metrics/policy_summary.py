"""How often each policy is violated and the worst offenders, for alert rules, so without silenced tokens.

Tokens that should have been removed are counted in the same way, without a policy.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.common.text import printable
from exporter.policies.base import UserPolicy
from exporter.policies.evaluate import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from exporter.model.not_removed import NotRemoved
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.evaluate import Violation
    from exporter.policies.schema import Policies

_WORST = 5
"""Users that are named for a policy."""
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Offence:
    """How often a user violates a policy, or how many tokens of a user are not removed. Many users have equal ones.

    Attributes:
        rank: minus the number of tokens that make one user worse than another; when the first token expired if tokens
            are not removed.
        violations: how many tokens violate the policy or are not removed; 1 if the user violates the policy.
        shown: what a list of the worst says of the user.
    """

    rank: float
    violations: int
    shown: str


Offences = tuple[tuple["type[Policy] | None", Offence], ...]
"""The policies that a user violates; None for tokens that are not removed."""


@dataclass(frozen=True, slots=True, order=True)
class Offender:
    """A user that violates a policy, or has not removed tokens. The worst come first.

    Attributes:
        rank: as in `Offence`.
        name: the user's name.
        user_id: the user's id.
        shown: as in `Offence`.
    """

    rank: float
    name: str
    user_id: str
    shown: str


def offence_not_removed(found: NotRemoved, zone: ZoneInfo) -> Offence:
    """The tokens of a user that are not removed; the time zone is that of the organization."""
    return Offence(found.expired_at, found.count, found.words(zone))


def offences(state: UserState, violations: Iterable[Violation], policies: Policies, now: float) -> Offences:
    """The policies that a user violates, from the violations that count."""
    found: dict[type[Policy], int] = {}
    for one in violations:
        found[one.policy] = found.get(one.policy, 0) + 1
    user = state.user
    result: list[tuple[type[Policy] | None, Offence]] = []
    for policy, count in found.items():
        amount = count
        if issubclass(policy, UserPolicy):
            amount = len(counted(user, state.tokens, policies, now)) + state.unexpired_left_out
        result.append((policy, Offence(-amount, count, str(amount))))
    return tuple(result)


@dataclass(slots=True)
class PolicySummary:
    """The violations of one policy, or the tokens that are not removed.

    Attributes:
        violations: tokens that violate it; users if users do.
        users: the users whose tokens these are.
        worst: the users that violate it most, in order.
    """

    violations: int = 0
    users: int = 0
    worst: list[Offender] = field(default_factory=list)

    def words(self, comma: str) -> str:
        """The names of the worst, and what is said of each: ``li.wei (3), wang.fang (2)``."""
        return comma.join([f"{printable(one.name)} ({one.shown})" for one in self.worst])


def summarized(users: Iterable[tuple[User, Offences]]) -> dict[type[Policy] | None, PolicySummary]:
    """The violations of some users, by policy; None for tokens that are not removed."""
    found: dict[type[Policy] | None, list[tuple[User, Offence]]] = {}
    for user, some in users:
        for policy, one in some:
            found.setdefault(policy, []).append((user, one))
    return {
        policy: PolicySummary(
            sum(one.violations for _, one in some),
            len(some),
            heapq.nsmallest(_WORST, [_offender(user, one) for user, one in some]),
        )
        for policy, some in found.items()
    }


def _offender(user: User, one: Offence) -> Offender:
    return Offender(one.rank, user.name[:_LONGEST_NAME], user.user_id, one.shown)


def merged(parts: Iterable[PolicySummary]) -> PolicySummary:
    """The violations of a policy by several groups of users."""
    every = list(parts)
    return PolicySummary(
        sum(one.violations for one in every),
        sum(one.users for one in every),
        heapq.nsmallest(_WORST, [one for part in every for one in part.worst]),
    )
