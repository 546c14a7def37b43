"""Users and their settings."""

from __future__ import annotations

from dataclasses import dataclass

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
