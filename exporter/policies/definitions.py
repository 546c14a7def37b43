"""Every policy that a token or a user can break, with what that means to an operator."""

from __future__ import annotations

from enum import StrEnum


class Policy(StrEnum):
    """The closed list of policies: configuration, metrics, alerts, commands and docs share it."""

    MAX_LIFETIME = "max_lifetime"
    NEVER_EXPIRES = "never_expires"
    FORBIDDEN_PERMISSIONS = "forbidden_permissions"
    MAX_TOKENS_PER_USER = "max_tokens_per_user"
    MAX_AGE = "max_age"
    NAME_PATTERN = "name_pattern"
    EXPIRED_NOT_REMOVED = "expired_not_removed"

    @property
    def words(self) -> str:
        """What is wrong with who breaks it, as a sentence's end."""
        return _WORDS[self]

    @property
    def meaning(self) -> str:
        """What a violation means to an operator, and what to do about it."""
        return _MEANINGS[self]

    @property
    def of_user(self) -> bool:
        """Whether users break it, rather than tokens."""
        return self is Policy.MAX_TOKENS_PER_USER


_WORDS = {
    Policy.MAX_LIFETIME: "it lives longer than is allowed",
    Policy.NEVER_EXPIRES: "it never expires",
    Policy.FORBIDDEN_PERMISSIONS: "it grants a forbidden permission",
    Policy.MAX_TOKENS_PER_USER: "there are more tokens than are allowed",
    Policy.MAX_AGE: "it is older than is allowed",
    Policy.NAME_PATTERN: "it is not named as it must be",
    Policy.EXPIRED_NOT_REMOVED: "it has expired and is still there",
}
_MEANINGS = {
    Policy.MAX_LIFETIME: (
        "from its creation to its expiry the token lives longer than the limit; replace it by a shorter-lived one. "
        "A token that never expires breaks `never_expires` instead"
    ),
    Policy.NEVER_EXPIRES: "the token has no expiry, so a leak of it never ends; replace it by one that expires",
    Policy.FORBIDDEN_PERMISSIONS: "the token grants what no token may grant; replace it by one that does not",
    Policy.MAX_TOKENS_PER_USER: (
        "the user has more tokens that have not expired than the limit; delete those that nothing uses"
    ),
    Policy.MAX_AGE: "the token was created longer ago than the limit, however long it still lives; replace it",
    Policy.NAME_PATTERN: "the name does not say what it must, such as what uses the token; replace or rename it",
    Policy.EXPIRED_NOT_REMOVED: "the token has been dead for longer than the limit and hides others; delete it",
}
