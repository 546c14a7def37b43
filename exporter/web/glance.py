"""The state at a glance, as values: of each organization, and of all together. Pages and API show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from exporter.alerts.thresholds import failing_after
from exporter.common.text import utc
from exporter.model.stages import ExpiryThresholds, Stage, stage_at, stages
from exporter.model.token import NEVER, CredentialKind, TokenState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from exporter.config.alerting import Alerting
    from exporter.config.schema import Config, Poll
    from exporter.model.snapshot import OrganizationView, Outage
    from exporter.policies.base import Policy
    from exporter.state.organization_index import Counts
    from exporter.state.token_index import Snapshot, TokenIndex
    from exporter.web.records import Record

DAYS = (7, 14, 30)
"""Expiries within so many days are counted."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class OrganizationState:
    """The state of one organization.

    Attributes:
        view: its snapshot.
        counts: its numbers.
        expiring: tokens that expire within each of `DAYS`.
        violations: the number of violations of each configured policy.
        evaluated: whether the violations of all its users are known.
        next_sweep: when the next sweep is expected to start, in epoch seconds; None if that is not known.
        own_stage: the stage of the exporter's own token on its way to its expiry; None if that is far away.
        outage: why no user can be polled, if that lasts for so long that there is an alert; else None.
    """

    view: OrganizationView
    counts: Counts
    expiring: Mapping[int, int]
    violations: Mapping[str, int]
    evaluated: bool
    next_sweep: float | None
    own_stage: Stage | None
    outage: Outage | None

    @property
    def total_violations(self) -> int:
        """The number of all violations."""
        return sum(self.violations.values())


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the histogram of expiries.

    Attributes:
        first: its first day.
        last: its last day.
        count: the tokens and SSH keys that expire in it.
    """

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class State:
    """The state of all organizations.

    Attributes:
        at: epoch seconds.
        organizations: in the order of the configuration.
        policies: the configured policies.
        days: the expiries of each of the next 30 days.
        months: the expiries of each of the next 12 months, this one included, from today on.
    """

    at: float
    organizations: tuple[OrganizationState, ...]
    policies: tuple[Policy, ...]
    days: tuple[Column, ...]
    months: tuple[Column, ...]

    @property
    def ready(self) -> bool:
        """Whether all organizations are ready."""
        return all(one.view.ready for one in self.organizations)

    @property
    def evaluated(self) -> bool:
        """Whether the violations of all users are known."""
        return all(one.evaluated for one in self.organizations)

    @property
    def unreadable_first(self) -> list[OrganizationState]:
        """The organizations; those first of which no user can be polled."""
        return sorted(self.organizations, key=lambda one: one.outage is None)

    @property
    def users(self) -> int:
        """The number of watched users."""
        return sum(one.counts.users for one in self.organizations)

    @property
    def failing(self) -> int:
        """The number of users whose last poll failed."""
        return sum(one.counts.failing for one in self.organizations)

    @property
    def cut(self) -> int:
        """The number of users with more tokens than are kept."""
        return sum(one.counts.cut for one in self.organizations)

    @property
    def violations(self) -> int:
        """The number of all violations."""
        return sum(one.total_violations for one in self.organizations)

    def violations_of(self, policy: str) -> int:
        """The number of violations of a policy."""
        return sum(one.violations.get(policy, 0) for one in self.organizations)

    def tokens(self, state: TokenState) -> int:
        """The number of tokens in a state."""
        return sum(one.counts.tokens[state] for one in self.organizations)

    def expiring(self, days: int) -> int:
        """The number of tokens that expire within so many days."""
        return sum(one.expiring[days] for one in self.organizations)


def state_at(index: TokenIndex, config: Config, zone: ZoneInfo, now: float) -> State:
    """The state.

    Args:
        index: all organizations.
        config: the configuration in effect.
        zone: the time zone of days.
        now: epoch seconds.
    """
    overview = index.overview(now, config.poll.stale_after)
    expiring = {days: index.expiring(CredentialKind.TOKEN, days * _DAY, now) for days in DAYS}
    today = datetime.fromtimestamp(now, tz=zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today + timedelta(days=number) for number in range(31)]
    months = [_month_after(today, number) for number in range(13)]
    months[0] = today
    at = index.read(lambda snapshot: _found(snapshot, now, days, months), now)
    organizations = tuple(
        OrganizationState(
            view,
            counts,
            {within: found.get(view.name, 0) for within, found in expiring.items()},
            at.violations.get(view.name, {}),
            at.evaluated.get(view.name, True),
            None if view.sweep is None else view.sweep.completed_at - view.sweep.duration + config.poll.interval,
            _own_stage(view.own_expiry, config.alerting, now),
            _outage(view, config.poll, now),
        )
        for view, counts in zip(overview.view.organizations, overview.counts, strict=True)
    )
    return State(now, organizations, config.policies.enabled, _columns(days, at.days), _columns(months, at.months))


@dataclass(frozen=True, slots=True)
class _Numbers:
    days: Sequence[int]
    months: Sequence[int]
    violations: Mapping[str, Mapping[str, int]]
    evaluated: Mapping[str, bool]


def _found(snapshot: Snapshot, now: float, days: Sequence[datetime], months: Sequence[datetime]) -> _Numbers:
    def expired(edges: Sequence[datetime]) -> list[int]:
        # Just before each edge: what expires at midnight belongs to the day that begins then.
        times = [max(now, edge.timestamp() - 1e-3) for edge in edges]
        return [sum(every) for every in zip(*(one.expired_at(times) for one in snapshot.contents), strict=True)]

    return _Numbers(
        expired(days),
        expired(months),
        {one.name: {policy.name: count for policy, count in one.violations.items()} for one in snapshot.contents},
        {one.name: one.evaluated for one in snapshot.contents},
    )


def _columns(edges: Sequence[datetime], expired: Sequence[int]) -> tuple[Column, ...]:
    counts = expired or [0] * len(edges)
    return tuple(
        Column(first, last - timedelta(days=1), after - before)
        for first, last, before, after in zip(edges, edges[1:], counts, counts[1:], strict=False)
    )


def _month_after(day: datetime, months: int) -> datetime:
    """The first day of the month so many months after that of a day."""
    month = day.month - 1 + months
    return day.replace(year=day.year + month // 12, month=month % 12 + 1, day=1)


def _outage(view: OrganizationView, poll: Poll, now: float) -> Outage | None:
    found = view.outage
    if found is None or found.ended_at is not None or not found.counts(failing_after(poll), now):
        return None
    return found


def _own_stage(own_expiry: float | None, alerting: Alerting, now: float) -> Stage | None:
    if own_expiry is None or own_expiry == NEVER:
        return None
    general = alerting.thresholds
    return stage_at(stages(None, own_expiry, ExpiryThresholds(None, general.warning, general.critical, NEVER)), now)


def organization_record(one: OrganizationState) -> Record:
    """An organization as plain values."""
    view, counts = one.view, one.counts
    own = view.own_expiry
    return {
        "organization": view.name,
        "ready": view.ready,
        "unreadable": one.outage is not None,
        "unreadable_since": None if one.outage is None else utc(one.outage.since),
        "unreadable_reason": None if one.outage is None else one.outage.reason.value,
        "users": counts.users,
        "users_pending": counts.pending,
        "users_failing": counts.failing,
        "users_stale": counts.stale,
        "tokens": {state.value: counts.tokens[state] for state in TokenState},
        "expiring_within_days": {str(days): count for days, count in one.expiring.items()},
        "violations": dict(one.violations),
        "violations_complete": one.evaluated,
        "last_sweep": None
        if view.sweep is None
        else {
            "result": view.sweep.result.value,
            "completed_at": utc(view.sweep.completed_at),
            "duration_seconds": round(view.sweep.duration, 3),
        },
        "next_sweep": utc(one.next_sweep),
        "exporter_token_expires_at": None if own == NEVER else utc(own),
        "exporter_token_never_expires": own == NEVER,
    }
