"""The shape of the section `policies`: what tokens must be like, and who is excused from it until when."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from exporter.common.fields import Duration, Regex, Section
from exporter.model.severity import Severity
from exporter.policies.definitions import Policy
from exporter.policies.waivers import Waiver

if TYPE_CHECKING:
    from exporter.model.token import Token
    from exporter.model.user import User


class Exemption(Waiver):
    """Tokens that may break the policy, until a day. All that an entry names must fit."""


class PolicySection(Section):
    """What all policies have in common."""

    severity: Annotated[Severity, Field(strict=False)] = Field(
        Severity.WARNING, description="Label `severity` of the policy's series and alerts."
    )
    exceptions: tuple[Exemption, ...] = Field((), description=Exemption.__doc__)

    def excuses(self, user: User, token: Token, now: float) -> bool:
        """Whether an exception that has not run out speaks of this token."""
        return any(entry.holds(now) and entry.fits(user, token) for entry in self.exceptions)


class MaxLifetime(PolicySection):
    """A token must not live too long, from its creation to its expiry.

    One that never expires breaks only `never_expires`, and one whose dates cannot be read breaks neither.
    """

    limit: Duration = Field(gt=0, description="Longest life that is allowed; exactly this long is still allowed.")


class NeverExpires(PolicySection):
    """A token must expire. Short: `never_expires: forbid`."""

    forbid: bool = Field(True, description="false turns the policy off and keeps its exceptions.")


class ForbiddenPermissions(PolicySection):
    """A token must not grant certain permissions."""

    severity: Annotated[Severity, Field(strict=False)] = Field(
        Severity.CRITICAL, description="Label `severity` of the policy's series and alerts."
    )
    permissions: tuple[Regex, ...] = Field(
        min_length=1, description="Regular expressions for names of permissions, each whole; RE2 syntax."
    )


class MaxTokensPerUser(PolicySection):
    """A user must not have too many tokens that have not expired.

    An exception that names a token or a token's name takes such tokens out of the count; one that names a user alone
    excuses that user.
    """

    limit: int = Field(ge=0, description="Most tokens that are allowed.")


class MaxAge(PolicySection):
    """A token must not be too old, however long it still lives."""

    limit: Duration = Field(gt=0, description="Time since the creation at which the token begins to break the policy.")


class NamePattern(PolicySection):
    """A token must be named in a certain way."""

    pattern: Regex = Field(description="Regular expression that the whole name must match; RE2 syntax.")


class ExpiredNotRemoved(PolicySection):
    """A token that has expired must be deleted."""

    after: Duration = Field(ge=0, description="Time since the expiry at which the token begins to break the policy.")


def _forbid(value: Any) -> Any:
    """The short form; anything else that is no section is left to the schema to refuse."""
    if isinstance(value, str):
        if value != "forbid":
            raise ValueError("must be forbid or a section with keys; leave the key out to allow such tokens")
        return {}
    return value


class Policies(Section):
    """What tokens must be like. Each policy is off unless it is given here.

    Only tokens that have not expired are judged, but for `expired_not_removed`. `yunxiao_policy_violations` counts
    what is broken, and `YunxiaoTokenPolicyViolation` and `YunxiaoUserPolicyViolation` tell of it.
    """

    max_lifetime: MaxLifetime | None = Field(None, description="A token must not live too long.")
    never_expires: Annotated[NeverExpires | None, BeforeValidator(_forbid)] = Field(
        None, description="A token must expire. `forbid` is short for a section with the defaults."
    )
    forbidden_permissions: ForbiddenPermissions | None = Field(
        None, description="A token must not grant certain permissions."
    )
    max_tokens_per_user: MaxTokensPerUser | None = Field(None, description="A user must not have too many tokens.")
    max_age: MaxAge | None = Field(None, description="A token must not be too old.")
    name_pattern: NamePattern | None = Field(None, description="A token must be named in a certain way.")
    expired_not_removed: ExpiredNotRemoved | None = Field(None, description="A token that has expired must be deleted.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, data: Any) -> Any:
        """An empty key would be a policy that somebody believes to be on."""
        empty = [key for key, value in data.items() if value is None] if isinstance(data, dict) else []
        if empty:
            raise ValueError(f"{' and '.join(map(str, empty))} is empty; say what is demanded, or take the key out")
        return data

    @functools.cached_property
    def sections(self) -> tuple[tuple[Policy, PolicySection], ...]:
        """The policies that are on, with what they demand."""
        given = ((policy, getattr(self, policy.value)) for policy in Policy)
        off = self.never_expires is not None and not self.never_expires.forbid
        return tuple(
            (policy, section)
            for policy, section in given
            if section is not None and not (off and policy is Policy.NEVER_EXPIRES)
        )

    @functools.cached_property
    def of_tokens(self) -> tuple[tuple[Policy, PolicySection], ...]:
        """Those that tokens can break."""
        return tuple((policy, section) for policy, section in self.sections if not policy.of_user)

    @property
    def of_users(self) -> tuple[tuple[Policy, MaxTokensPerUser], ...]:
        """Those that users can break."""
        most = self.max_tokens_per_user
        return () if most is None else ((Policy.MAX_TOKENS_PER_USER, most),)

    @property
    def configured(self) -> tuple[Policy, ...]:
        """The names of the policies that are on."""
        return tuple(policy for policy, _ in self.sections)
