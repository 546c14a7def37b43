"""The policies: one class each, and the list of them that configuration, metrics, alerts, commands and docs use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from exporter.common.fields import Duration, Regex
from exporter.common.regex import compiled_regex
from exporter.model.severity import Severity
from exporter.model.token import NEVER
from exporter.policies.base import (
    ALWAYS,
    NO_VIOLATION,
    Fact,
    Policy,
    Seconds,
    Span,
    Time,
    TokenPolicy,
    UserPolicy,
    expiry,
)
from exporter.texts.catalogue import Language, catalogue

if TYPE_CHECKING:
    from exporter.model.token import Token

_SHOWN = 5
"""Forbidden permissions named for one token."""
_TEXTS = catalogue(Language.EN).policies


class MaxLifetime(TokenPolicy):
    """A token must not live too long, from its creation to its expiry.

    A token without an expiry violates only `never_expires`, one whose expiry is a date that counts as never violates
    both, and one whose dates cannot be read violates neither.
    """

    name: ClassVar[str] = "max_lifetime"
    words: ClassVar[str] = _TEXTS["max_lifetime"].words
    meaning: ClassVar[str] = (
        "the token's lifetime, from creation to expiry, exceeds the limit; replace it with one that expires sooner. "
        "A token without an expiry violates `never_expires` instead"
    )

    limit: Duration = Field(gt=0, description="Longest lifetime allowed; exactly this long is still allowed.")

    @property
    def allowed(self) -> Fact:
        """The limit."""
        return Seconds(self.limit)

    def span(self, token: Token) -> Span:
        """Until it expires, if it is known to live too long."""
        created, expires = token.created_at, token.platform_expiry
        if created is not None and expires is not None and self.limit < expires - created < NEVER:
            return ALWAYS, expires
        return NO_VIOLATION

    def found(self, token: Token) -> Fact | None:
        """Its lifetime."""
        created, expires = token.created_at, token.platform_expiry
        return None if created is None or expires is None else Seconds(expires - created)


class NeverExpires(TokenPolicy):
    """A token must expire. `never_expires: forbid` is short for a section with the defaults."""

    name: ClassVar[str] = "never_expires"
    words: ClassVar[str] = _TEXTS["never_expires"].words
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

    def found(self, token: Token) -> Fact | None:
        """When it was created."""
        return None if token.created_at is None else Time(token.created_at)


class ForbiddenPermissions(TokenPolicy):
    """A token must not grant certain permissions.

    Patterns match the names that the token lists. A token may list `base_user_read_write` without `base_user_read`,
    which that includes; to forbid both, use `base_user_read(_write)?`.
    """

    name: ClassVar[str] = "forbidden_permissions"
    words: ClassVar[str] = _TEXTS["forbidden_permissions"].words
    meaning: ClassVar[str] = "the token grants a forbidden permission; replace it with one that does not"

    severity: Annotated[Severity, Field(strict=False)] = Field(
        Severity.CRITICAL, description="Label `severity` of the policy's series and alerts."
    )
    permissions: tuple[Regex, ...] = Field(
        min_length=1,
        description="Regular expressions (RE2) of forbidden permissions; one must match the entire name, as listed.",
    )

    @property
    def allowed(self) -> Fact:
        """The patterns."""
        return ", ".join(self.permissions)

    def span(self, token: Token) -> Span:
        """Until it expires, if it grants such a permission."""
        if any(_matches(pattern, name) for name in token.permissions for pattern in self.permissions):
            return ALWAYS, expiry(token)
        return NO_VIOLATION

    def found(self, token: Token) -> Fact:
        """The forbidden permissions, the first few of them."""
        names = [name for name in token.permissions if any(_matches(pattern, name) for pattern in self.permissions)]
        more = ", …" if len(names) > _SHOWN else ""
        return ", ".join(names[:_SHOWN]) + more


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
    words: ClassVar[str] = _TEXTS["max_tokens_per_user"].words
    meaning: ClassVar[str] = "the user has more unexpired tokens than the limit; delete those that are not used"

    limit: int = Field(ge=0, description="Highest number of unexpired tokens allowed.")

    @property
    def allowed(self) -> Fact:
        """The limit."""
        return self.limit

    def violated_by(self, unexpired: int) -> bool:
        """Whether there are more than the limit."""
        return unexpired > self.limit


class MaxAge(TokenPolicy):
    """A token must not be too old, even if it is valid for longer."""

    name: ClassVar[str] = "max_age"
    words: ClassVar[str] = _TEXTS["max_age"].words
    meaning: ClassVar[str] = "the token is older than the limit, whether or not it expires soon; replace it"

    limit: Duration = Field(gt=0, description="Age, counted from its creation, at which a token violates the policy.")

    @property
    def allowed(self) -> Fact:
        """The limit."""
        return Seconds(self.limit)

    def span(self, token: Token) -> Span:
        """From the age limit until it expires."""
        return NO_VIOLATION if token.created_at is None else (token.created_at + self.limit, expiry(token))

    def found(self, token: Token) -> Fact | None:
        """When it was created."""
        return None if token.created_at is None else Time(token.created_at)


class NamePattern(TokenPolicy):
    """A token's name must match a pattern."""

    name: ClassVar[str] = "name_pattern"
    words: ClassVar[str] = _TEXTS["name_pattern"].words
    meaning: ClassVar[str] = "the name does not match the required pattern; rename or replace the token"

    pattern: Regex = Field(description="Regular expression (RE2) that must match the entire name.")

    @property
    def allowed(self) -> Fact:
        """The limit."""
        return self.pattern

    def span(self, token: Token) -> Span:
        """Until it expires, if its name does not match."""
        return NO_VIOLATION if compiled_regex(self.pattern).fullmatch(token.name) else (ALWAYS, expiry(token))


class ExpiredNotRemoved(TokenPolicy):
    """An expired token must be deleted."""

    name: ClassVar[str] = "expired_not_removed"
    words: ClassVar[str] = _TEXTS["expired_not_removed"].words
    meaning: ClassVar[str] = "the token expired longer ago than the limit and clutters the list; delete it"

    after: Duration = Field(ge=0, description="Time since its expiry at which a token violates the policy.")

    @property
    def allowed(self) -> Fact:
        """The limit."""
        return Seconds(self.after)

    def span(self, token: Token) -> Span:
        """From some time after its expiry, for ever."""
        expires = token.expires_at
        return NO_VIOLATION if expires is None or expires == NEVER else (expires + self.after, NEVER)

    def found(self, token: Token) -> Fact | None:
        """When it expired."""
        expires = token.expires_at
        return None if expires is None or expires == NEVER else Time(expires)


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
