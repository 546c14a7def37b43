"""Reads what `/api/v1/tokens`, `/api/v1/users` and `/api/v1/events` answer. Pure; the answers are untrusted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from exporter.model.snapshot import OrganizationView, View
from exporter.model.ssh_key import SshKey
from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER, CredentialKind, Token, TokenState
from exporter.model.user import Owner, User

_LAST_SECOND = 253_402_300_799.0
"""The last second that a date can express; later expiries have no date in the list."""


class InvalidAnswerError(ValueError):
    """An answer is not that of an exporter."""


class _Token(msgspec.Struct):
    """A record of the list of tokens; keys that later releases add are ignored."""

    organization: str
    user_id: str
    user: str
    token_id: str
    token: str
    state: TokenState
    expires_at: str | None = None
    created_at: str | None = None
    permissions: tuple[str, ...] = ()
    description: str = ""
    kind: CredentialKind = CredentialKind.TOKEN
    last_used_at: str | None = None
    listed_expires_at: str | None = None
    owner_email: str | None = None
    owner_username: str | None = None
    owner_department: str | None = None


class _User(msgspec.Struct):
    """A record of the list of users, likewise."""

    organization: str
    user_id: str
    user: str
    status: str
    reason: Reason | None = None
    detail: str | None = None
    owner_email: str | None = None
    owner_username: str | None = None
    owner_department: str | None = None


class EventRecord(msgspec.Struct, omit_defaults=True):
    """A record of the list of events; only the keys of its kind of event are set."""

    time: str
    organization: str
    event: str
    user_id: str
    user: str
    token_id: str
    token: str
    kind: str
    old_name: str = ""
    description: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    old_expiry: str = ""
    new_expiry: str = ""


def parse_view(tokens: bytes, users: bytes | None, now: float) -> View:
    """The users and tokens that the lists of a running exporter name.

    Args:
        tokens: the list of tokens.
        users: the list of users, with the failures of their polls; None if the exporter has none. Then users without
            tokens are missing, and no failure is known.
        now: epoch seconds of the answers.

    Raises:
        InvalidAnswerError: one is not such a list.
    """
    states: dict[tuple[str, str], UserState] = {}
    held: dict[tuple[str, str], list[Token]] = {}
    try:
        for one in () if users is None else msgspec.json.decode(users, type=list[_User]):
            states[one.organization, one.user_id] = _state(one, now)
        for record in msgspec.json.decode(tokens, type=list[_Token]):
            key = record.organization, record.user_id
            if key not in states:
                states[key] = UserState(_user(record), last_success=now, polled=True)
            held.setdefault(key, []).append(_credential(record))
    except (msgspec.DecodeError, ValueError):
        raise InvalidAnswerError("is not the list of tokens of a yunxiao-token-exporter") from None
    organizations: dict[str, list[UserState]] = {}
    for key, state in states.items():
        keys = tuple(one for one in held.get(key, ()) if isinstance(one, SshKey))
        others = tuple(one for one in held.get(key, ()) if not isinstance(one, SshKey))
        organizations.setdefault(key[0], []).append(replace(state, tokens=others, ssh_keys=keys or None))
    return View(tuple(OrganizationView(name, tuple(found), None, now) for name, found in organizations.items()))


def _state(record: _User, now: float) -> UserState:
    """The state of a user without tokens."""
    match record.status:
        case "failing":
            failure = Failure(record.reason or Reason.INTERNAL, record.detail or "")
            return UserState(_user(record), polled=True, failure=failure, failures=1)
        case "pending":
            return UserState(_user(record))
        case _:
            return UserState(_user(record), last_success=now, polled=True)


def _user(record: _Token | _User) -> User:
    known = record.owner_email, record.owner_department, record.owner_username
    return User(record.user_id, record.user, owner=None if known == (None, None, None) else Owner(*known))


def parse_events(content: bytes) -> list[EventRecord]:
    """The events, newest first.

    Raises:
        InvalidAnswerError: it is not such a list.
    """
    try:
        return msgspec.json.decode(content, type=list[EventRecord])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidAnswerError("is not the list of events of a yunxiao-token-exporter") from None


def _credential(record: _Token) -> Token:
    match record.state:
        case TokenState.NEVER_EXPIRES:
            expires_at: float | None = NEVER
        case TokenState.UNKNOWN:
            expires_at = None
        case TokenState.EXPIRED:
            expires_at = _time(record.expires_at) or 0.0
        case TokenState.ACTIVE:
            expires_at = _LAST_SECOND if record.expires_at is None else _time(record.expires_at)
    values = (record.token_id, record.token, record.permissions, _time(record.created_at), expires_at)
    if record.kind is CredentialKind.SSH_KEY:
        return SshKey(*values, description=record.description, last_used_at=_time(record.last_used_at))
    return Token(*values, listed_expiry=_time(record.listed_expires_at), description=record.description)


def _time(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
