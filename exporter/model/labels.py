"""Names and values of the labels that identify organizations, users and tokens, in metrics, alerts and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.model.token import Token
    from exporter.model.user import User

ORGANIZATION = "organization"
SHARD = "shard"
"""Added to series about an organization if its users are divided among shards."""
ORGANIZATION_LABEL_NAMES = (ORGANIZATION,)
USER_LABEL_NAMES = (ORGANIZATION, "user_id", "user")
TOKEN_LABEL_NAMES = (*USER_LABEL_NAMES, "token_id", "token")


def user_values(organization: str, user: User) -> tuple[str, str, str]:
    """The values of `USER_LABEL_NAMES`."""
    return organization, user.user_id, user.name


def token_values(organization: str, user: User, token: Token) -> tuple[str, str, str, str, str]:
    """The values of `TOKEN_LABEL_NAMES`."""
    return organization, user.user_id, user.name, token.token_id, token.name


def organization_labels(organization: str) -> dict[str, str]:
    """Names and values for an organization."""
    return {ORGANIZATION: organization}


def user_labels(organization: str, user: User) -> dict[str, str]:
    """Names and values for a user."""
    return dict(zip(USER_LABEL_NAMES, user_values(organization, user), strict=True))


def token_labels(organization: str, user: User, token: Token) -> dict[str, str]:
    """Names and values for a token of a user."""
    return dict(zip(TOKEN_LABEL_NAMES, token_values(organization, user, token), strict=True))
