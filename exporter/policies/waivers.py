"""Entries that excuse something until a day: what is muted, what is an exception from a policy."""

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


class Waiver(Section):
    """Tokens that are excused until a day. All that an entry names must fit."""

    user: Text | None = Field(None, description="Id or name of the user, whole.")
    token_id: TokenId | None = Field(None, description="Id of the token, whole.")
    name: Regex | None = Field(None, description="Regular expression for the token's name, whole; RE2 syntax.")
    reason: Text = Field(description="Why; for whoever reads this later.")
    until: Day = Field(description="Last day, in UTC. From the day after the entry has no effect and is reported.")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.user is None and self.token_id is None and self.name is None:
            raise ValueError("names nothing; give user, token_id or name")
        return self

    @property
    def ends_at(self) -> float:
        """The moment from which the entry has no effect any more, in epoch seconds."""
        # By hand, for the last day that a date can hold has no day after it.
        return ((self.until - _EPOCH).days + 1) * _DAY

    def holds(self, now: float) -> bool:
        """Whether the entry still has an effect at the time ``now``."""
        return now < self.ends_at

    def fits(self, user: User, token: Token) -> bool:
        """Whether the entry speaks of this token of this user."""
        return (
            (self.user is None or self.user in {user.user_id, user.name})
            and (self.token_id is None or self.token_id == token.token_id)
            and (self.name is None or compiled_regex(self.name).fullmatch(token.name) is not None)
        )
