"""What a policy is: a section of the configuration that also decides when tokens or users violate it."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import Field

from exporter.common.fields import Section
from exporter.model.severity import Severity
from exporter.model.token import NEVER
from exporter.policies.token_matcher import TokenMatcher

if TYPE_CHECKING:
    from exporter.model.token import Token
    from exporter.model.user import User

Span: TypeAlias = tuple[float, float]
"""Begin and end of a violation in epoch seconds; the end is not included."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration, as a limit or as what was found."""

    value: float


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time, in epoch seconds, as what was found."""

    value: float


Fact: TypeAlias = Seconds | Time | int | str
"""A limit, or what was found instead; texts show it in their language and time zone."""
ALWAYS = -math.inf
"""The begin of a violation that has existed as long as the token."""
NO_VIOLATION: Span = (NEVER, NEVER)


class Exemption(TokenMatcher):
    """Exempts tokens from the policy until a day. A token must match every key that is set."""


class Policy(Section):
    """A policy. The class describes it, an instance holds its configuration.

    To add a policy, write a subclass of `TokenPolicy` or `UserPolicy` in `exporter.policies.builtin` and add it to the
    list there. The first line of the docstring describes the policy's key in docs/configuration.md.

    Attributes:
        name: the key in the section `policies`, the value of the label `policy` and the argument of `tokens --policy`.
        words: what is wrong with a token or user that violates the policy, as the end of a sentence.
        meaning: what a violation means to an operator, and what to do about it.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    meaning: ClassVar[str]

    severity: Annotated[Severity, Field(strict=False)] = Field(
        Severity.WARNING, description="Label `severity` of the policy's series and alerts."
    )
    exceptions: tuple[Exemption, ...] = Field((), description=Exemption.__doc__)

    @property
    def enabled(self) -> bool:
        """Whether the policy is in effect. A section can turn its policy off."""
        return True

    @property
    def allowed(self) -> Fact | None:
        """The configured limit, for texts; None if the policy has none."""
        return None

    def exempts(self, user: User, token: Token, now: float) -> bool:
        """Whether an exemption that has not ended matches this token."""
        return any(entry.active(now) and entry.matches(user, token) for entry in self.exceptions)


class TokenPolicy(Policy):
    """A policy that single tokens violate."""

    @abstractmethod
    def span(self, token: Token) -> Span:
        """From when until when the token violates the policy; `NO_VIOLATION` for never."""

    def found(self, token: Token) -> Fact | None:  # noqa: ARG002 - for subclasses
        """What a token that violates the policy has instead, for texts; None if that is unknown or says nothing new.

        Only the token decides, not the time, so that texts stay the same.
        """
        return None


class UserPolicy(Policy):
    """A policy that users violate, by the number of their unexpired tokens."""

    @abstractmethod
    def violated_by(self, unexpired: int) -> bool:
        """Whether a user with this number of unexpired tokens, exempted ones excluded, violates the policy."""


def expiry(token: Token) -> float:
    """Epoch seconds until which a token counts as unexpired; `NEVER` also if its expiry is unknown."""
    return NEVER if token.expires_at is None else token.expires_at
