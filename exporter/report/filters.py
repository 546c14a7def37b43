"""Which tokens a list shows. Pure: values in, a decision out; commands, pages and the API share it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from exporter.common.regex import compiled_regex
from exporter.model.permission import granted
from exporter.model.snapshot import View
from exporter.model.token import TokenState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.token import Token
    from exporter.model.user import User

_STARS = re.compile(r"\*{2,}")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPECIAL = frozenset("\\.+*?()|[]{}^$")


def pattern(text: str) -> str:
    """A regular expression (RE2) for a pattern: ``*`` is any text, ``?`` is any character, case does not matter."""
    # Arguments that are not UTF-8 hold lone surrogates, which no name has.
    text = _STARS.sub("*", _SURROGATES.sub("\ufffd", text))
    parts = [{"*": ".*", "?": "."}.get(char) or (f"\\{char}" if char in _SPECIAL else char) for char in text]
    return f"(?is:{''.join(parts)})"


def any_matches(patterns: tuple[str, ...], texts: Iterable[str]) -> bool:
    """Whether a text matches one of the patterns; true if there are none."""
    if not patterns:
        return True
    found = tuple(texts)
    return any(compiled_regex(pattern(one)).fullmatch(text) is not None for one in patterns for text in found)


@dataclass(frozen=True)
class TokenFilter:
    """Selects tokens. A token must fit every attribute that is set, and one of the values of each.

    Users, organizations, permissions and owners are patterns: ``*`` is any text, ``?`` any character, and case does not
    matter.

    Attributes:
        users: ids or names of users.
        organizations: names of organizations.
        permissions: permissions that the token grants, so `base_user_read` also finds `base_user_read_write`.
        states: states of tokens.
        owners: e-mail addresses, departments or user names of the owner.
        within: seconds within which the token expires; expired tokens and those with an unknown expiry fit as well,
            since they may need to be replaced, too.
        expired: whether to show expired tokens.
    """

    users: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    states: tuple[TokenState, ...] = ()
    owners: tuple[str, ...] = ()
    within: float | None = None
    expired: bool = True

    @cached_property
    def selects_users(self) -> bool:
        """Whether only some users can have a token that fits."""
        return bool(self.users or self.organizations or self.owners)

    def fits_user(self, organization: str, user: User) -> bool:
        """Whether tokens of this user can fit."""
        owner = user.owner
        known = () if owner is None else (owner.email, owner.department, owner.username)
        return (
            any_matches(self.organizations, (organization,))
            and any_matches(self.users, (user.user_id, user.name))
            and any_matches(self.owners, (text for text in known if text))
        )

    def fits_token(self, token: Token, now: float) -> bool:
        """Whether a token fits at the time ``now``, in epoch seconds, if its user does."""
        state = token.state(now)
        if self.states and state not in self.states:
            return False
        if not self.expired and state is TokenState.EXPIRED:
            return False
        if self.within is not None and token.expires_at is not None and token.expires_at > now + self.within:
            return False
        return any_matches(self.permissions, granted(token.permissions))


def users_only(view: View, wanted: TokenFilter) -> View:
    """The state of the users that fit, with all their tokens, and of the organizations that have such users."""
    if not wanted.selects_users:
        return view
    found = (
        replace(one, users=tuple(state for state in one.users if wanted.fits_user(one.name, state.user)))
        for one in view.organizations
    )
    return View(tuple(one for one in found if one.users))
