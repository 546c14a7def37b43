"""Users, and what belongs to them by configuration."""

from __future__ import annotations

from dataclasses import dataclass

UserKey = tuple[str, str]
"""The name of an organization and the id of a user in it."""


@dataclass(frozen=True, slots=True)
class OwnThresholds:
    """How long before expiry a user's tokens are worth an alert, in seconds; None as for everybody."""

    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to write to about a user's tokens; None for what is not known.

    Attributes:
        department: the names of the user's departments, or their ids where no name is told.
    """

    email: str | None = None
    department: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user to watch: the id that the token call needs, the name to show, and what the user's alerts carry.

    Attributes:
        labels: names and values in the order of the names.
        thresholds: the user's own; None as for everybody.
        owner: whom to write to; None where nothing is known.
    """

    user_id: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    thresholds: OwnThresholds | None = None
    owner: Owner | None = None
