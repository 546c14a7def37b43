"""Texts about a token and its owner that alerts show, whether the exporter or Prometheus raises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.text import local_and_utc, printable
from exporter.model.token import NEVER
from exporter.model.user import Owner

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from exporter.model.loss import Losses
    from exporter.model.token import Token
    from exporter.model.user import User

EXPIRES = "expires"
OWNER = "owner"
OWNER_EMAIL = "owner_email"
OWNER_DEPARTMENT = "owner_department"
PERMISSIONS = "permissions"
OWNER_TEXTS = (OWNER, OWNER_EMAIL, OWNER_DEPARTMENT)
TOKEN_TEXTS = (EXPIRES, *OWNER_TEXTS, PERMISSIONS)


def owner_texts(user: User) -> dict[str, str]:
    """Name, e-mail address and department of a user, by `OWNER_TEXTS`; "" for what is not known.

    Without anything but the name of the user, which every alert shows, there is no owner to name.
    """
    owner = user.owner
    if owner is None or owner == Owner():
        return dict.fromkeys(OWNER_TEXTS, "")
    login = owner.username
    name = user.name if not login or login == user.name else f"{user.name} ({login})"
    found = {OWNER: name, OWNER_EMAIL: owner.email or "", OWNER_DEPARTMENT: owner.department or ""}
    return {key: printable(value) for key, value in found.items()}


def token_texts(user: User, token: Token, losses: Losses, zone: ZoneInfo, now: float) -> dict[str, str]:
    """The texts about a token or SSH key, by `TOKEN_TEXTS`; "" for what is not known.

    Time alone changes only the permissions, and only when a token of the user expires.

    Args:
        user: its owner.
        token: the token.
        losses: what the user loses, in the language and time zone of the texts.
        zone: the time zone of the organization.
        now: epoch seconds.
    """
    expires_at = token.expires_at
    known = expires_at is not None and expires_at != NEVER
    expires = local_and_utc(expires_at, zone) if known and expires_at is not None else ""
    return {EXPIRES: expires, **owner_texts(user), PERMISSIONS: losses.words(token, now)}
