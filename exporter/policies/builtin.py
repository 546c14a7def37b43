"""The policies: one class each, and the list of them that configuration, metrics, alerts, commands and docs use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from exporter.common.fields import Duration, Regex
from exporter.common.regex import compiled_regex
from exporter.model.severity import Severity
from exporter.model.token import NEVER
from exporter.policies.base import ALWAYS, NO_VIOLATION, Policy, Span, TokenPolicy, UserPolicy, expiry

if TYPE_CHECKING:
    from exporter.model.token import Token


class MaxLifetime(TokenPolicy):
    """A token must not live too long, from its creation to its expiry.

    A token without an expiry violates only `never_expires`, one whose expiry is a date that counts as never violates
    both, and one whose dates cannot be read violates neither.
    """

    name: ClassVar[str] = "max_lifetime"
    words: ClassVar[str] = "it lives longer than is allowed"
    meaning: ClassVar[str] = (
        "the token's lifetime, from creation to expiry, exceeds the limit; replace it with one that expires sooner. "
        "A token without an expiry violates `never_expires` instead"
    )

    limit: Duration = Field(gt=0, description="Longest lifetime allowed; exactly this long is still allowed.")

    def span(self, token: Token) -> Span:
        """Until it expires, if it is known to live too long."""
        created, expires = token.created_at, token.platform_expiry
        if created is not None and expires is not None and self.limit < expires - created < NEVER:
            return ALWAYS, expires
        return NO_VIOLATION


class NeverExpires(TokenPolicy):
    """A token must expire. `never_expires: forbid` is short for a section with the defaults."""

    name: ClassVar[str] = "never_expires"
    words: ClassVar[str] = "it never expires"
    meaning: ClassVar[str] = "the token has no expiry, so it stays valid if it leaks; replace it with one that expires"

    forbid: bool = Field(True, description="false turns the policy off but keeps its `exceptions`.")

    @model_validator(mode="before")
    @classmethod
    def _accept_the_short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            if data != "forbid":
                raise ValueError("must be forbid or a section with keys; remove the key to allow such tokens")
            return {}
        return data

    @property
    def enabled(self) -> bool:
        """Whether such tokens are forbidden."""
        return self.forbid

    def span(self, token: Token) -> Span:
        """For ever, if it has no expiry."""
        return (ALWAYS, NEVER) if token.expires_at == NEVER else NO_VIOLATION


class ForbiddenPermissions(TokenPolicy):
    """A token must not grant certain permissions.

    Patterns match the names that the token lists. A token may list `base_user_read_write` without `base_user_read`,
    which that includes; to forbid both, use `base_user_read(_write)?`.
    """

    name: ClassVar[str] = "forbidden_permissions"
    words: ClassVar[str] = "it grants a forbidden permission"
    meaning: ClassVar[str] = "the token grants a forbidden permission; replace it with one that does not"

    severity: Annotated[Severity, Field(strict=False)] = Field(
        Severity.CRITICAL, description="Label `severity` of the policy's series and alerts."
    )
    permissions: tuple[Regex, ...] = Field(
        min_length=1,
        description="Regular expressions (RE2) of forbidden permissions; one must match the entire name, as listed.",
    )

    def span(self, token: Token) -> Span:
        """Until it expires, if it grants such a permission."""
        if any(_matches(pattern, name) for name in token.permissions for pattern in self.permissions):
            return ALWAYS, expiry(token)
        return NO_VIOLATION


@functools.lru_cache(maxsize=4096)
def _matches(pattern: str, permission: str) -> bool:
    # Cached because there are few permissions, and all tokens share them.
    return compiled_regex(pattern).fullmatch(permission) is not None


class MaxTokensPerUser(UserPolicy):
    """A user must not have too many unexpired tokens.

    An exemption that names a token or a token's name removes such tokens from the count; one that names only a user
    exempts that user.
    """

    name: ClassVar[str] = "max_tokens_per_user"
    words: ClassVar[str] = "there are more tokens than are allowed"
    meaning: ClassVar[str] = "the user has more unexpired tokens than the limit; delete those that are not used"

    limit: int = Field(ge=0, description="Highest number of unexpired tokens allowed.")

    def violated_by(self, unexpired: int) -> bool:
        """Whether there are more than the limit."""
        return unexpired > self.limit


class MaxAge(TokenPolicy):
    """A token must not be too old, even if it is valid for longer."""

    name: ClassVar[str] = "max_age"
    words: ClassVar[str] = "it is older than is allowed"
    meaning: ClassVar[str] = "the token is older than the limit, whether or not it expires soon; replace it"

    limit: Duration = Field(gt=0, description="Age, counted from its creation, at which a token violates the policy.")

    def span(self, token: Token) -> Span:
        """From the age limit until it expires."""
        return NO_VIOLATION if token.created_at is None else (token.created_at + self.limit, expiry(token))


class NamePattern(TokenPolicy):
    """A token's name must match a pattern."""

    name: ClassVar[str] = "name_pattern"
    words: ClassVar[str] = "it is not named as it must be"
    meaning: ClassVar[str] = "the name does not match the required pattern; rename or replace the token"

    pattern: Regex = Field(description="Regular expression (RE2) that must match the entire name.")

    def span(self, token: Token) -> Span:
        """Until it expires, if its name does not match."""
        return NO_VIOLATION if compiled_regex(self.pattern).fullmatch(token.name) else (ALWAYS, expiry(token))


class ExpiredNotRemoved(TokenPolicy):
    """An expired token must be deleted."""

    name: ClassVar[str] = "expired_not_removed"
    words: ClassVar[str] = "it has expired and is still there"
    meaning: ClassVar[str] = "the token expired longer ago than the limit and clutters the list; delete it"

    after: Duration = Field(ge=0, description="Time since its expiry at which a token violates the policy.")

    def span(self, token: Token) -> Span:
        """From some time after its expiry, for ever."""
        expires = token.expires_at
        return NO_VIOLATION if expires is None or expires == NEVER else (expires + self.after, NEVER)


POLICIES: tuple[type[Policy], ...] = (
    MaxLifetime,
    NeverExpires,
    ForbiddenPermissions,
    MaxTokensPerUser,
    MaxAge,
    NamePattern,
    ExpiredNotRemoved,
)
"""Every policy, in the order in which they are documented and reported."""
