"""The changes of a user's tokens between two polls. Pure: takes the states before and after, returns events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.common.text import utc
from exporter.model.permission import granted
from exporter.model.token import NEVER, CredentialKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.state import UserState
    from exporter.model.token import Token


class Change(StrEnum):
    """The closed list of changes of a token, shared by metrics, log, API and docs."""

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
        """The meaning for an operator."""
        return _MEANINGS[self]


_MEANINGS = {
    Change.CREATED: "a token is listed that was not listed at the last successful poll",
    Change.DELETED: "a token is no longer listed",
    Change.RENEWED: "the expiry is later than before, or the token no longer expires",
    Change.SHORTENED: "the expiry is earlier than before",
    Change.PERMISSIONS_WIDENED: (
        "the token gained permissions and lost none; from `X_read` to `X_read_write` it gains `X_read_write`, and "
        "keeps `X_read`, which that includes"
    ),
    Change.PERMISSIONS_NARROWED: (
        "the token lost permissions and gained none; from `X_read_write` to `X_read` it loses `X_read_write`"
    ),
    Change.PERMISSIONS_CHANGED: "the token gained some permissions and lost others",
    Change.RENAMED: "the name of the token changed",
}
GRANTS_MORE = frozenset({Change.PERMISSIONS_WIDENED, Change.PERMISSIONS_CHANGED})
"""The changes by which a token gains permissions."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a token.

    Attributes:
        time: epoch seconds of the poll that found it; it happened between the previous poll and this one.
        organization: the name.
        user_id: the owner of the token.
        user: the owner's name.
        change: the kind of change.
        token_id: the token's id; if masked, other tokens may have the same one.
        token: its name after the change.
        old_name: its name before; "" unless it was renamed.
        added: permissions gained, included ones too; all that a created token grants.
        removed: permissions lost, likewise; all that a deleted token granted.
        old_expiry: the expiry before, in epoch seconds; None if not applicable or unreadable.
        new_expiry: the expiry after, in epoch seconds; None likewise.
        description: the description of the token.
        kind: the kind of credential: an SSH key can change in the same ways as a token.
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
    description: str = ""
    kind: CredentialKind = CredentialKind.TOKEN

    def details(self) -> dict[str, object]:
        """The fields that belong to the kind of change, for the log and the API; empty ones are left out."""
        found: dict[str, object] = {
            "old_name": self.old_name,
            "description": self.description,
            "added": list(self.added),
            "removed": list(self.removed),
            "old_expiry": _expiry(self.old_expiry),
            "new_expiry": _expiry(self.new_expiry),
        }
        return {name: value for name, value in found.items() if value}


def _expiry(epoch: float | None) -> str | None:
    return "never" if epoch == NEVER else utc(epoch)


def events(organization: str, before: UserState, after: UserState) -> tuple[Event, ...]:
    """The changes that a poll found for a user.

    None after a failed poll, and none after the first successful one: its tokens may have existed before.
    """
    if after.failure is not None or before.last_success is None or after.last_success is None:
        return ()
    user = after.user
    blank = Event(after.last_success, organization, user.user_id, user.name, Change.CREATED, "", "")
    about_tokens = () if before.tokens == after.tokens else pairs(before.tokens, after.tokens)
    return (
        *(
            event
            for old, new in about_tokens
            # A token that moves to or from the tokens that are only counted is neither created nor deleted.
            if not (old is None and before.left_out) and not (new is None and after.left_out)
            for event in _between(blank, old, new)
        ),
        *(event for old, new in _pairs_of_keys(before, after) for event in _between(blank, old, new)),
    )


def _pairs_of_keys(before: UserState, after: UserState) -> Iterable[tuple[Token | None, Token | None]]:
    """The SSH keys before and after; none unless both have been listed: the first list is no change."""
    if before.ssh_keys is None or after.ssh_keys is None or before.ssh_keys == after.ssh_keys:
        return ()
    return pairs(before.ssh_keys, after.ssh_keys)


def _between(blank: Event, old: Token | None, new: Token | None) -> Iterator[Event]:
    if old is None and new is not None:
        about = _about(blank, new)
        yield replace(about, change=Change.CREATED, added=granted(new.permissions), new_expiry=new.expires_at)
    elif new is None and old is not None:
        about = _about(blank, old)
        yield replace(about, change=Change.DELETED, removed=granted(old.permissions), old_expiry=old.expires_at)
    elif old is not None and new is not None:
        yield from _differences(_about(blank, new), old, new)


def _about(blank: Event, token: Token) -> Event:
    return replace(blank, token_id=token.token_id, token=token.name, description=token.description, kind=token.kind)


def _differences(about: Event, old: Token, new: Token) -> Iterator[Event]:
    if (change := _move(old, new)) is not None:
        yield replace(about, change=change, old_expiry=old.expires_at, new_expiry=new.expires_at)
    # Neither are unreadable permissions.
    readable = old.permissions_read and new.permissions_read
    before, after = {*granted(old.permissions)}, {*granted(new.permissions)}
    added, removed = tuple(sorted(after - before)), tuple(sorted(before - after))
    if readable and (added or removed):
        change = Change.PERMISSIONS_CHANGED
        if not removed:
            change = Change.PERMISSIONS_WIDENED
        elif not added:
            change = Change.PERMISSIONS_NARROWED
        yield replace(about, change=change, added=added, removed=removed)
    if old.name != new.name:
        yield replace(about, change=Change.RENAMED, old_name=old.name)


def _move(old: Token, new: Token) -> Change | None:
    """How the platform moved the expiry; None if it did not.

    An unreadable expiry is not a change, nor is another setting of what counts as never.
    """
    before, after = old.expires_at, new.expires_at
    if before is None or after is None or before == after or old.platform_expiry == new.platform_expiry:
        return None
    return Change.RENEWED if after > before else Change.SHORTENED


def pairs(before: Iterable[Token], after: Iterable[Token]) -> Iterator[tuple[Token | None, Token | None]]:
    """Pairs of each token before and after; None for a token that did not or does not exist.

    Different tokens can have the same masked id. Tokens with the same id are paired if they are equal (but for the
    description), then if they have the same name, then in their order. So among tokens with one id, some are created or
    some deleted, never both.
    """
    by_id: dict[str, tuple[list[Token], list[Token]]] = {}
    for side, tokens in enumerate((before, after)):
        for token in tokens:
            by_id.setdefault(token.token_id, ([], []))[side].append(token)
    for old, new in by_id.values():
        for key in (_token, _name, _any):
            waiting: dict[object, deque[Token]] = {}
            for token in new:
                waiting.setdefault(key(token), deque()).append(token)
            left = []
            for token in old:
                if twins := waiting.get(key(token)):
                    yield token, twins.popleft()
                else:
                    left.append(token)
            # In the original order.
            unpaired = {id(token) for twins in waiting.values() for token in twins}
            old, new = left, [token for token in new if id(token) in unpaired]  # noqa: PLW2901 - what is left of them
        yield from ((token, None) for token in old)
        yield from ((None, token) for token in new)


def _token(token: Token) -> object:
    """All but the description: its change is no event, and does not decide which tokens are paired."""
    return token.name, token.permissions, token.created_at, token.expires_at, token.permissions_read


def _name(token: Token) -> object:
    return token.name


def _any(_: Token) -> object:
    return None
