"""Snapshots of the state of organizations, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from exporter.model.times import is_time

if TYPE_CHECKING:
    from exporter.model.state import UserState


class SweepResult(StrEnum):
    """How a sweep ended."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Sweep:
    """The last completed sweep of an organization.

    Attributes:
        result: how it ended.
        duration: seconds.
        completed_at: epoch seconds.
    """

    result: SweepResult
    duration: float
    completed_at: float

    @property
    def sound(self) -> bool:
        """Whether the numbers make sense: one read from storage may be damaged."""
        return is_time(self.completed_at) and 0 <= self.duration < inf


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
    """

    name: str
    users: tuple[UserState, ...]
    sweep: Sweep | None
    since: float
    shard: str = ""
    discovery: Discovery | None = None
    own_expiry: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the list of users is known and a sweep over them has been completed."""
        return self.sweep is not None and (self.discovery is None or self.discovery.users is not None)


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot of all organizations. The state of each user is consistent: entirely before or after a poll."""

    organizations: tuple[OrganizationView, ...]

    @property
    def ready(self) -> bool:
        """Whether there are organizations and all are ready."""
        return bool(self.organizations) and all(organization.ready for organization in self.organizations)
