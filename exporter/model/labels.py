"""Names and values of the labels that identify organizations, users and tokens, in metrics, alerts and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.token import CredentialKind

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey
    from exporter.model.token import Token
    from exporter.model.user import User

ORGANIZATION = "organization"
SHARD = "shard"
"""Added to series about an organization if its users are divided among shards."""
ORGANIZATION_LABEL_NAMES = (ORGANIZATION,)
USER_LABEL_NAMES = (ORGANIZATION, "user_id", "user")
TOKEN_LABEL_NAMES = (*USER_LABEL_NAMES, "token_id", "token")
KIND = "kind"
"""The kind of a credential that is not a token."""
SSH_KEY_LABEL_NAMES = (*TOKEN_LABEL_NAMES, KIND)
"""The id and the title of a key have the names of those of a token, so that routes, silences and rules fit both."""


def user_values(organization: str, user: User) -> tuple[str, str, str]:
    """The values of `USER_LABEL_NAMES`."""
    return organization, user.user_id, user.name


def token_values(organization: str, user: User, token: Token) -> tuple[str, str, str, str, str]:
    """The values of `TOKEN_LABEL_NAMES`."""
    return organization, user.user_id, user.name, token.token_id, token.name


def ssh_key_values(organization: str, user: User, key: SshKey) -> tuple[str, str, str, str, str, str]:
    """The values of `SSH_KEY_LABEL_NAMES`."""
    return *token_values(organization, user, key), key.kind.value


def organization_labels(organization: str) -> dict[str, str]:
    """Names and values for an organization."""
    return {ORGANIZATION: organization}


def user_labels(organization: str, user: User) -> dict[str, str]:
    """Names and values for a user."""
    return dict(zip(USER_LABEL_NAMES, user_values(organization, user), strict=True))


def token_labels(organization: str, user: User, token: Token) -> dict[str, str]:
    """Names and values for a token or an SSH key of a user."""
    kind = {} if token.kind is CredentialKind.TOKEN else {KIND: token.kind.value}
    return dict(zip(TOKEN_LABEL_NAMES, token_values(organization, user, token), strict=True)) | kind
