"""Which discovered users are removed: those that two lists in a row do not have, unless one list is proof enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.user import User
    from exporter.platform.base import FoundUsers


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The users that are watched after a refresh.

    Attributes:
        users: the users found, then those that are kept although they were not found.
        missing: ids of those that are kept. They are removed if the next list does not have them either.
    """

    users: tuple[User, ...]
    missing: frozenset[str] = frozenset()


def confirmed(before: Iterable[User], missing: frozenset[str], found: FoundUsers) -> Confirmed:
    """The users to watch after a list was read.

    A user can be absent from a list that others left while it was read, page by page. So a user is removed only if the
    list says so, because it is complete or has the user as deleted, or if the list before did not have the user either.

    Args:
        before: the users watched before.
        missing: ids of those that the list before did not have.
        found: the list.
    """
    if found.is_complete:
        return Confirmed(found.users)
    listed = {user.user_id for user in found.users} | found.unselected
    kept = tuple(user for user in before if user.user_id not in listed and user.user_id not in missing)
    return Confirmed((*found.users, *kept), frozenset(user.user_id for user in kept))
