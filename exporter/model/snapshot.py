"""What is known at one moment, as frozen values."""

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
    """The last sweep of an organization that went over all its users.

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
    """How the discovery of an organization's users stands.

    Attributes:
        up: whether the last refresh worked; None before the end of the first.
        last_success: epoch seconds of the last one that worked; None before the first of this process.
        users: how many the list in force has; None before there is a list.
    """

    up: bool | None = None
    last_success: float | None = None
    users: int | None = None


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """One organization as it stands.

    Attributes:
        users: the states of its users.
        sweep: its last sweep; None before the first has ended.
        since: epoch seconds from which it has been watched by this process.
        shard: which part of its users these are, as ``k/n``; "" for all.
        discovery: how the discovery of its users stands; None where none is configured.
        own_expiry: when the exporter's own token expires, in epoch seconds; `NEVER` if it has no expiry; None where
            that is not known.
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
        """Whether it is known whom to watch, and all of them have been asked for once."""
        return self.sweep is not None and (self.discovery is None or self.discovery.users is not None)


@dataclass(frozen=True, slots=True)
class View:
    """All organizations at one moment. Each user is wholly as before a poll or wholly as after it."""

    organizations: tuple[OrganizationView, ...]

    @property
    def ready(self) -> bool:
        """Whether each organization is."""
        return bool(self.organizations) and all(organization.ready for organization in self.organizations)
