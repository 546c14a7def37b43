"""What the simulated platform keeps: people, tokens, SSH keys, organizations and departments."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

ORGANIZATIONS = {"org-1": "研发中心", "org-2": "Operations"}
"""The made-up organizations: every second person is a member of the second one too."""
DEPARTMENTS = {
    "dept-1": ("研发部", ""),
    "dept-2": ("平台组", "dept-1"),
    "dept-3": ("移动端", "dept-1"),
    "dept-4": ("Operations", ""),
}
"""The made-up departments by id: their names, and the ids of those above them."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as the platform keeps it.

    Attributes:
        token_id: the public part.
        name: given by the owner.
        permissions: what it grants.
        created_at: epoch seconds.
        expires_at: epoch seconds; None for never.
        description: free text of the owner, at most 200 characters.
    """

    token_id: str
    name: str
    permissions: tuple[str, ...]
    created_at: float
    expires_at: float | None
    description: str = ""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as the platform keeps them.

    Attributes:
        departments: ids of the departments that the person is in.
        status: `enabled`, `disabled` or `deleted`.
    """

    user_id: str
    name: str
    username: str
    email: str
    departments: tuple[str, ...]
    status: str = "enabled"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An SSH key as the platform keeps it.

    Attributes:
        key_id: a number, unique on the platform.
        title: given by the owner.
        fingerprint: of the public key.
        scope: `ALL` for reading and writing, `READ` for reading.
        created_at: epoch seconds; the key has not been changed since.
        expires_at: epoch seconds; None for never.
        last_used_at: epoch seconds; None if it has never been used.
    """

    key_id: int
    title: str
    fingerprint: str
    scope: str
    created_at: float
    expires_at: float | None
    last_used_at: float | None
