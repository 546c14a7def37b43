"""What has changed about a user's tokens between two polls. Pure: the tokens before and after in, events out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.common.text import utc
from exporter.model.token import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.state import UserState
    from exporter.model.token import Token


class Change(StrEnum):
    """The closed list of what can happen to a token: metrics, log, API and docs share it."""

    CREATED = "created"
    DELETED = "deleted"
    RENEWED = "renewed"
    SHORTENED = "shortened"
    PERMISSIONS_WIDENED = "permissions_widened"
    PERMISSIONS_NARROWED = "permissions_narrowed"
    PERMISSIONS_CHANGED = "permissions_changed"
    RENAMED = "renamed"

    @property
    def meaning(self) -> str:
        """What it means to an operator."""
        return _MEANINGS[self]


_MEANINGS = {
    Change.CREATED: "the user has a token more than at the last poll that worked",
    Change.DELETED: "a token is listed no more",
    Change.RENEWED: "the expiry is later than it was, or there is none any more",
    Change.SHORTENED: "the expiry is earlier than it was",
    Change.PERMISSIONS_WIDENED: "the token grants something more, and nothing less",
    Change.PERMISSIONS_NARROWED: "the token grants something less, and nothing more",
    Change.PERMISSIONS_CHANGED: "the token grants something more and something less",
    Change.RENAMED: "the token has another name",
}
GRANTS_MORE = frozenset({Change.PERMISSIONS_WIDENED, Change.PERMISSIONS_CHANGED})
"""The changes after which a token may do what it could not do before."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened to a token.

    Attributes:
        time: epoch seconds of the poll that saw it; it happened between that one and the one before.
        organization: the name.
        user_id: whose token.
        user: their name.
        change: what happened.
        token_id: the token, or the masked id that it shares with others.
        token: its name, after the event.
        old_name: the name before; "" unless it was renamed.
        added: permissions gained; for a created token all that it grants.
        removed: permissions lost; for a deleted token all that it granted.
        old_expiry: epoch seconds before; None where there was none or it could not be read.
        new_expiry: epoch seconds after; None likewise.
    """

    time: float
    organization: str
    user_id: str
    user: str
    change: Change
    token_id: str
    token: str
    old_name: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    old_expiry: float | None = None
    new_expiry: float | None = None

    def details(self) -> dict[str, object]:
        """What is to be said beyond who and what, by name, for the log and the API; nothing empty."""
        found: dict[str, object] = {
            "old_name": self.old_name,
            "added": list(self.added),
            "removed": list(self.removed),
            "old_expiry": _expiry(self.old_expiry),
            "new_expiry": _expiry(self.new_expiry),
        }
        return {name: value for name, value in found.items() if value}


def _expiry(epoch: float | None) -> str | None:
    return "never" if epoch == NEVER else utc(epoch)


def events(organization: str, before: UserState, after: UserState) -> tuple[Event, ...]:
    """What a poll found changed about a user.

    Nothing for a poll that failed, and nothing for the first one that worked: whatever it lists was there before
    anybody looked.
    """
    if after.failure is not None or before.last_success is None or after.last_success is None:
        return ()
    if before.tokens == after.tokens:
        return ()
    user = after.user
    blank = Event(after.last_success, organization, user.user_id, user.name, Change.CREATED, "", "")
    return tuple(
        event
        for old, new in _pairs(before.tokens, after.tokens)
        # A token that comes from, or goes to, those that are only counted is neither new nor deleted.
        if not (old is None and before.left_out) and not (new is None and after.left_out)
        for event in _between(blank, old, new)
    )


def _between(blank: Event, old: Token | None, new: Token | None) -> Iterator[Event]:
    if old is None and new is not None:
        about = replace(blank, token_id=new.token_id, token=new.name)
        yield replace(about, change=Change.CREATED, added=new.permissions, new_expiry=new.expires_at)
    elif new is None and old is not None:
        about = replace(blank, token_id=old.token_id, token=old.name)
        yield replace(about, change=Change.DELETED, removed=old.permissions, old_expiry=old.expires_at)
    elif old is not None and new is not None:
        yield from _differences(replace(blank, token_id=new.token_id, token=new.name), old, new)


def _differences(about: Event, old: Token, new: Token) -> Iterator[Event]:
    # An expiry that could not be read says nothing about a renewal.
    if old.expires_at is not None and new.expires_at is not None and old.expires_at != new.expires_at:
        change = Change.RENEWED if new.expires_at > old.expires_at else Change.SHORTENED
        yield replace(about, change=change, old_expiry=old.expires_at, new_expiry=new.expires_at)
    # Nor do permissions that could not be read say anything about themselves.
    readable = old.permissions_read and new.permissions_read
    added = tuple(sorted({*new.permissions} - {*old.permissions}))
    removed = tuple(sorted({*old.permissions} - {*new.permissions}))
    if readable and (added or removed):
        change = Change.PERMISSIONS_CHANGED
        if not removed:
            change = Change.PERMISSIONS_WIDENED
        elif not added:
            change = Change.PERMISSIONS_NARROWED
        yield replace(about, change=change, added=added, removed=removed)
    if old.name != new.name:
        yield replace(about, change=Change.RENAMED, old_name=old.name)


def _pairs(before: Iterable[Token], after: Iterable[Token]) -> Iterator[tuple[Token | None, Token | None]]:
    """Each token as it was and as it is, None where it was not or is not there.

    Masked ids can coincide. Among tokens of one id those that are quite the same go together first, then those of the
    same name, then what is left in its order; so of one id tokens are either created or deleted, never both.
    """
    by_id: dict[str, tuple[list[Token], list[Token]]] = {}
    for side, tokens in enumerate((before, after)):
        for token in tokens:
            by_id.setdefault(token.token_id, ([], []))[side].append(token)
    for old, new in by_id.values():
        for alike in (_itself, _name, _nothing):
            waiting: dict[object, deque[Token]] = {}
            for token in new:
                waiting.setdefault(alike(token), deque()).append(token)
            left = []
            for token in old:
                if twins := waiting.get(alike(token)):
                    yield token, twins.popleft()
                else:
                    left.append(token)
            # In their order again.
            unpaired = {id(token) for twins in waiting.values() for token in twins}
            old, new = left, [token for token in new if id(token) in unpaired]  # noqa: PLW2901 - what is left of them
        yield from ((token, None) for token in old)
        yield from ((None, token) for token in new)


def _itself(token: Token) -> object:
    return token


def _name(token: Token) -> object:
    return token.name


def _nothing(_: Token) -> object:
    return None
