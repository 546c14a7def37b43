"""Configuration entries that select tokens until a day: silences of alerts and exemptions from policies."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from exporter.common.fields import Day, Regex, Section, Text, TokenId
from exporter.common.regex import compiled_regex

if TYPE_CHECKING:
    from exporter.model.token import Token
    from exporter.model.user import User

_DAY = 86400.0
_EPOCH = date(1970, 1, 1)


class TokenMatcher(Section):
    """Selects tokens until a day. A token must match every key that is set."""

    user: Text | None = Field(None, description="Id or name of the user; must match exactly.")
    token_id: TokenId | None = Field(None, description="Id of the token; must match exactly.")
    name: Regex | None = Field(None, description="Regular expression (RE2) that must match the token's entire name.")
    reason: Text = Field(description="Why the entry exists, for later readers.")
    until: Day = Field(
        description="Last day, in UTC. From the next day on the entry has no effect, and a warning is logged."
    )

    @model_validator(mode="after")
    def _require_a_matcher(self) -> Self:
        if self.user is None and self.token_id is None and self.name is None:
            raise ValueError("matches nothing; set user, token_id or name")
        return self

    @property
    def ends_at(self) -> float:
        """Epoch seconds from which the entry has no effect."""
        # Computed by hand: the last day that a date can hold has no next day.
        return ((self.until - _EPOCH).days + 1) * _DAY

    def active(self, now: float) -> bool:
        """Whether the entry has an effect at the time ``now``, in epoch seconds."""
        return now < self.ends_at

    def matches(self, user: User, token: Token) -> bool:
        """Whether the entry selects this token of this user, whatever the day."""
        return (
            (self.user is None or self.user in {user.user_id, user.name})
            and (self.token_id is None or self.token_id == token.token_id)
            and (self.name is None or compiled_regex(self.name).fullmatch(token.name) is not None)
        )
