"""How often an organization violates each policy, and who does it most; kept up to date user by user. No I/O.

Tokens that should have been removed are counted in the same way.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.severity import Severity
from exporter.policies.base import UserPolicy
from exporter.policies.evaluate import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from exporter.model.not_removed import NotRemoved
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.evaluate import Violation
    from exporter.policies.schema import Policies

WORST = 5
"""Users that an alert about a policy names."""
_LONGEST_NAME = 60
_FEW = 1000


@dataclass(frozen=True, slots=True)
class Offence:
    """A policy that one user violates, or that the user has not removed tokens.

    Attributes:
        policy: the policy; None for tokens that are not removed.
        severity: as configured for it.
        user_id: the user.
        user: the user's name.
        violations: how many of the user's tokens violate it; 1 if the user does.
        rank: the user with the lowest is the worst: minus the same number, or the tokens that count if the user
            violates it; when the first token expired if tokens are not removed.
        shown: what a list of the worst says of the user.
        since: epoch seconds at which the first of these violations began; None if unknown.
    """

    policy: type[Policy] | None
    severity: Severity
    user_id: str
    user: str
    violations: int
    rank: float
    shown: str
    since: float | None

    @property
    def _order(self) -> tuple[float, str, str]:
        return self.rank, self.user, self.user_id

    def __lt__(self, other: Offence) -> bool:
        """Whether it is worse than ``other``."""
        return self._order < other._order


def offences_of(
    user: User, violations: Iterable[Violation], state: UserState, policies: Policies, now: float
) -> Iterator[Offence]:
    """The offences of a user, from all violations that count.

    Args:
        user: the user.
        violations: of the user's tokens and of the user.
        state: the user's state.
        policies: the configured policies.
        now: epoch seconds.
    """
    found: dict[type[Policy], list[Violation]] = {}
    for one in violations:
        found.setdefault(one.policy, []).append(one)
    for policy, some in found.items():
        amount = len(some)
        if issubclass(policy, UserPolicy):
            amount = len(counted(user, state.tokens, policies, now)) + state.unexpired_left_out
        since = min((one.since for one in some if one.since is not None), default=None)
        name = user.name[:_LONGEST_NAME]
        yield Offence(policy, some[0].severity, user.user_id, name, len(some), -amount, str(amount), since)


def offence_of_not_removed(user: User, found: NotRemoved, expired_for: float, zone: ZoneInfo) -> Offence:
    """The offence of a user whose tokens are not removed.

    Args:
        user: the user.
        found: the tokens.
        expired_for: seconds from the expiry to the time from which a token should have been removed.
        zone: the time zone of the organization.
    """
    name, first = user.name[:_LONGEST_NAME], found.expired_at
    return Offence(None, Severity.INFO, user.user_id, name, found.count, first, found.words(zone), first + expired_for)


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """A policy that an organization violates, or that tokens are not removed.

    Attributes:
        policy: the policy; None for tokens that are not removed.
        severity: as configured for it.
        violations: the number of tokens that violate it; of users, if users do.
        users: the number of users whose tokens these are.
        worst: the users that violate it most, at most `WORST`: their names, and what is said of them.
        since: epoch seconds at which the first of these violations began; None if unknown.
    """

    policy: type[Policy] | None
    severity: Severity
    violations: int
    users: int
    worst: tuple[tuple[str, str], ...]
    since: float | None


class _Offenders:
    """The users that violate one policy."""

    def __init__(self) -> None:
        self.violations = 0
        self._by_user: dict[str, Offence] = {}
        # The worst ones in order; None if they must be found again.
        self._worst: list[Offence] | None = []
        # A heap of times and users. Entries that are not those of the present offences are outdated.
        self._times: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._by_user)

    def remove(self, offence: Offence) -> None:
        self.violations -= offence.violations
        del self._by_user[offence.user_id]
        if self._worst is not None and offence in self._worst:
            self._worst.remove(offence)
            if len(self._by_user) > len(self._worst):
                self._worst = None

    def add(self, offence: Offence) -> None:
        self.violations += offence.violations
        self._by_user[offence.user_id] = offence
        if self._worst is not None:
            self._worst = sorted([*self._worst, offence])[:WORST]
        if offence.since is not None:
            heapq.heappush(self._times, (offence.since, offence.user_id))
        if len(self._times) > 2 * len(self._by_user) + _FEW:
            self._times = [(one.since, one.user_id) for one in self._by_user.values() if one.since is not None]
            heapq.heapify(self._times)

    def summary(self, policy: type[Policy] | None) -> PolicySummary:
        if self._worst is None:
            self._worst = heapq.nsmallest(WORST, self._by_user.values())
        worst = tuple([(one.user, one.shown) for one in self._worst])
        return PolicySummary(policy, self._worst[0].severity, self.violations, len(self._by_user), worst, self._since())

    def _since(self) -> float | None:
        while self._times:
            since, user_id = self._times[0]
            present = self._by_user.get(user_id)
            if present is not None and present.since == since:
                return since
            heapq.heappop(self._times)
        return None


class Tally:
    """The offences of all users of an organization, by policy.

    After a change of one user the work does not depend on the number of users, unless the user was one of the worst.
    """

    def __init__(self) -> None:
        self._policies: dict[type[Policy] | None, _Offenders] = {}

    def replace(self, before: tuple[Offence, ...], after: tuple[Offence, ...]) -> None:
        """Record that a user has other offences than before."""
        if before == after:
            return
        for one in before:
            self._policies[one.policy].remove(one)
        for one in after:
            self._policies.setdefault(one.policy, _Offenders()).add(one)

    def summaries(self) -> Iterator[PolicySummary]:
        """The policies that are violated."""
        for policy, offenders in self._policies.items():
            if len(offenders):
                yield offenders.summary(policy)
