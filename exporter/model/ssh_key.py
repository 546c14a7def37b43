"""SSH keys: the second kind of credential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from exporter.model.token import CredentialKind, Token


@dataclass(frozen=True, slots=True)
class SshKey(Token):
    """An SSH key of a user as the platform lists it, without the key itself.

    What holds for a token holds for it, except for permissions and policies. So it has the same fields: `token_id` is
    the id of the key, `name` its title, `permissions` its scope, and `description` its fingerprint.

    Attributes:
        last_used_at: epoch seconds; None if it was never used or the date cannot be read.
    """

    kind: ClassVar[CredentialKind] = CredentialKind.SSH_KEY

    last_used_at: float | None = None
