"""Texts about a token and its owner that alerts show, whether the exporter or Prometheus raises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.text import local_and_utc, printable
from exporter.model.labels import token_labels
from exporter.model.stages import Stage
from exporter.model.token import NEVER
from exporter.model.user import Owner
from exporter.texts.sentences import lasting, shortened

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.texts.catalogue import Catalogue

OWNER = "owner"
OWNER_EMAIL = "owner_email"
OWNER_DEPARTMENT = "owner_department"
OWNER_TEXTS = (OWNER, OWNER_EMAIL, OWNER_DEPARTMENT)
SUMMARY = "alert_summary"
DESCRIPTION = "alert_description"
TOKEN_TEXTS = (SUMMARY, DESCRIPTION)
NEVER_EXPIRES = "never_expires"
"""In the place of a stage, for tokens that never expire."""
TOKEN_ALERTS = {
    Stage.INFO.value: "YunxiaoTokenExpiringInfo",
    Stage.WARNING.value: "YunxiaoTokenExpiringWarning",
    Stage.CRITICAL.value: "YunxiaoTokenExpiringCritical",
    Stage.EXPIRED.value: "YunxiaoTokenExpired",
    Stage.NOT_REMOVED.value: "YunxiaoTokenNotRemoved",
    NEVER_EXPIRES: "YunxiaoTokenNeverExpires",
}
"""The alert about a token in a stage."""


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


def contact(user: User, words: Catalogue) -> str:
    """The same as one text."""
    return words.comma.join([text for text in owner_texts(user).values() if text])


def token_facts(token: Token, words: Catalogue, zone: ZoneInfo) -> dict[str, str]:
    """What texts say about a token or SSH key itself, by placeholder; "" for what is not known."""
    expires_at = token.expires_at
    # Only texts about tokens without an expiry name it, and many alerts are made at once.
    created = token.created_at if expires_at == NEVER else None
    found = {
        "credential": words.credentials[token.kind.value],
        "purpose": printable(token.description),
        "created": "" if created is None else local_and_utc(created, zone),
    }
    if expires_at is None or expires_at == NEVER:
        return found
    return found | expiry_facts(expires_at, zone)


def expiry_facts(expires_at: float, zone: ZoneInfo) -> dict[str, str]:
    """An expiry in epoch seconds, by placeholder."""
    both = local_and_utc(expires_at, zone)
    return {"expires": both, "local": both.partition(" (")[0]}


def token_texts(
    alert: str, organization: str, user: User, token: Token, permissions: str, words: Catalogue, zone: ZoneInfo
) -> tuple[str, str]:
    """The values of `TOKEN_TEXTS`: the summary of an alert about a token, and what stays the same of its description.

    Args:
        alert: its name.
        organization: the name of the organization.
        user: the owner.
        token: the token or SSH key.
        permissions: what the user loses with it; "" for nothing.
        words: the language.
        zone: the time zone of the organization.
    """
    text = words.alerts[alert]
    values = token_labels(organization, user, token) | token_facts(token, words, zone)
    # These texts are labels, and the token's description never is one.
    values |= {"contact": contact(user, words), "permissions": permissions, "purpose": ""}
    return shortened(text.summary.format_map(values)), lasting(text.description, values, words.space)
