"""Snapshots of the state of organizations, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from exporter.model.times import is_time

if TYPE_CHECKING:
    from exporter.model.state import Reason, UserState


class SweepResult(StrEnum):
    """How a sweep ended."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Sweep:
    """The last sweep of an organization that went through all users. One in which no user could be polled has failed.

    Attributes:
        result: how it ended.
        duration: seconds.
        completed_at: epoch seconds of its end.
        previous: if it has failed, epoch seconds of the end of the last one before it that had not; None if there was
            none.
    """

    result: SweepResult
    duration: float
    completed_at: float
    previous: float | None = None

    @property
    def last_completed(self) -> float | None:
        """Epoch seconds at which the last sweep ended that has not failed; None before the first."""
        return self.previous if self.result is SweepResult.FAILED else self.completed_at

    @property
    def sound(self) -> bool:
        """Whether the numbers make sense: one read from storage may be damaged."""
        times_are_sound = is_time(self.completed_at) and (self.previous is None or is_time(self.previous))
        return times_are_sound and 0 <= self.duration < inf


@dataclass(frozen=True, slots=True)
class Outage:
    """No user of an organization can be polled.

    Attributes:
        since: epoch seconds of the first failed poll after the last successful one, of whichever user.
        reason: why most of the users cannot be polled.
        message: the detail of one of these failures; safe to show.
        confirmed: whether the platform refuses the token for all users. If not, the failures may be short.
        ended_at: epoch seconds of the first poll that succeeded again; None while the outage lasts.
    """

    since: float
    reason: Reason
    message: str
    confirmed: bool
    ended_at: float | None = None

    def begins_to_count(self, patience: float) -> float:
        """Epoch seconds from which it is one: at once if it is confirmed, else if it lasts for ``patience`` seconds."""
        return self.since if self.confirmed else self.since + patience

    def counts(self, patience: float, at: float) -> bool:
        """Whether it is one at the epoch second ``at``: a confirmed one always, even if the clock was set back."""
        return self.confirmed or self.begins_to_count(patience) <= at


@dataclass(frozen=True, slots=True)
class Discovery:
    """The state of discovery of an organization's users.

    Attributes:
        up: whether the last refresh succeeded; None before the end of the first.
        last_success: epoch seconds of the last successful refresh; None before the first of this process.
        users: the number of users in the current list; None before there is a list.
    """

    up: bool | None = None
    last_success: float | None = None
    users: int | None = None


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """A snapshot of one organization.

    Attributes:
        name: its name.
        users: the states of its users.
        sweep: its last completed sweep; None before the first has ended.
        since: epoch seconds since which this process has watched it.
        shard: the shard that the users belong to, as ``k/n``; "" for all users.
        discovery: the state of discovery; None if it is not configured.
        own_expiry: when the exporter's own token expires, in epoch seconds; `NEVER` if it does not expire; None if it
            is not known.
        outage: since when no user can be polled, and why; or the last time when that was so, once that has ended in
            this process; None if it never was. Whether it counts as an outage depends on how long it lasts:
            `Outage.begins_to_count`.
    """

    name: str
    users: tuple[UserState, ...]
    sweep: Sweep | None
    since: float
    shard: str = ""
    discovery: Discovery | None = None
    own_expiry: float | None = None
    outage: Outage | None = None

    @property
    def ready(self) -> bool:
        """Whether the list of users is known and a sweep over them has ended, even one that has failed.

        A refused token does not make a process unready: it answers, its metrics say what is wrong, and a restart would
        not help.
        """
        return self.sweep is not None and (self.discovery is None or self.discovery.users is not None)


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot of all organizations. The state of each user is consistent: entirely before or after a poll."""

    organizations: tuple[OrganizationView, ...]

    @property
    def ready(self) -> bool:
        """Whether there are organizations and all are ready."""
        return bool(self.organizations) and all(organization.ready for organization in self.organizations)
