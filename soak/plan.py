"""The content of the configuration at one moment: organizations and their users. Names and users are never reused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


class Change(StrEnum):
    """What a reload changes."""

    ADD_ORGANIZATION = "add organization"
    RENAME_ORGANIZATION = "rename organization"
    REMOVE_ORGANIZATION = "remove organization"
    ADD_USERS = "add users"
    REMOVE_USERS = "remove users"
    CHANGE_CLIENT = "change timeout"
    BROKEN = "broken file"


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization: its name, and its users as numbers of the simulated enterprise."""

    name: str
    users: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The current configuration.

    Attributes:
        organizations: at least two of them.
        next_organization: number of the next new name.
        next_user: number of the next new user.
        size: users at the start; the number stays between half of this and twice this.
        variant: changes with `CHANGE_CLIENT`, so that each organization needs a new HTTP client.
    """

    organizations: tuple[Organization, ...]
    next_organization: int
    next_user: int
    size: int
    variant: int = 0

    @property
    def names(self) -> frozenset[str]:
        """The names of all organizations."""
        return frozenset(one.name for one in self.organizations)

    @property
    def users(self) -> frozenset[int]:
        """The numbers of all users."""
        return frozenset(user for one in self.organizations for user in one.users)


def first_plan(users: int, organizations: int) -> Plan:
    """The initial plan, with the users divided equally."""
    size = users // organizations
    made = tuple(
        Organization(_name(number), tuple(range(number * size, (number + 1) * size))) for number in range(organizations)
    )
    return Plan(made, organizations, organizations * size, organizations * size)


def changed(plan: Plan, change: Change, chance: random.Random) -> Plan:
    """The plan after one change; the same plan if the change would lead to too few or too many users."""
    index = chance.randrange(len(plan.organizations))
    size = max(2, len(plan.organizations[index].users) // 4)
    following = _applied(plan, change, index, size)
    return following if plan.size / 2 <= len(following.users) <= plan.size * 2 else plan


def _applied(plan: Plan, change: Change, index: int, size: int) -> Plan:
    organizations = list(plan.organizations)
    one = organizations[index]
    number, user = plan.next_organization, plan.next_user
    match change:
        case Change.ADD_ORGANIZATION:
            organizations.append(Organization(_name(number), tuple(range(user, user + size))))
            return replace(
                plan, organizations=tuple(organizations), next_organization=number + 1, next_user=user + size
            )
        case Change.RENAME_ORGANIZATION:
            organizations[index] = replace(one, name=_name(number))
            return replace(plan, organizations=tuple(organizations), next_organization=number + 1)
        case Change.REMOVE_ORGANIZATION:
            # The largest organization stays, so that there are always users to poll.
            small = min(organizations, key=lambda organization: len(organization.users))
            kept = tuple(organization for organization in organizations if organization is not small)
            return replace(plan, organizations=kept if len(kept) > 1 else plan.organizations)
        case Change.ADD_USERS:
            organizations[index] = replace(one, users=one.users + tuple(range(user, user + size)))
            return replace(plan, organizations=tuple(organizations), next_user=user + size)
        case Change.REMOVE_USERS:
            organizations[index] = replace(one, users=one.users[size:] if len(one.users) > 2 * size else one.users)
            return replace(plan, organizations=tuple(organizations))
        case Change.CHANGE_CLIENT:
            return replace(plan, variant=plan.variant + 1)
        case Change.BROKEN:
            return plan


def _name(number: int) -> str:
    return f"soak-org-{number:04d}"
