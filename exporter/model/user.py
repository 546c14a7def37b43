"""Users and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UserKey = tuple[str, str]
"""The name of an organization and the id of a user in it."""


@dataclass(frozen=True, slots=True)
class OwnThresholds:
    """A user's own alert thresholds, in seconds before expiry; None for the general ones."""

    warning: float | None = None
    critical: float | None = None
    info: float | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The contact for a user's tokens; None for what is not known.

    Attributes:
        department: the names of the user's departments, or their ids if they have no name.
    """

    email: str | None = None
    department: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A watched user: the id for API calls, the name to show, and what alerts about the user carry.

    Attributes:
        labels: names and values sorted by name.
        thresholds: the user's own thresholds; None for the general ones.
        owner: the contact; None if nothing is known.
    """

    user_id: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    thresholds: OwnThresholds | None = None
    owner: Owner | None = None


def with_known_objects(users: Iterable[User], known: Iterable[User]) -> tuple[User, ...]:
    """The same users, each as the known object if there is an equal one.

    Lists are read again and again, and states refer to the users of earlier ones: without this, every user would be in
    memory twice.
    """
    objects = {one.user_id: one for one in known}
    return tuple([old if (old := objects.get(one.user_id)) == one else one for one in users])
