"""Reads what `/api/v1/tokens` and `/api/v1/events` answer. Pure; the answers are untrusted."""

from __future__ import annotations

from datetime import datetime

import msgspec

from exporter.model.snapshot import OrganizationView, View
from exporter.model.ssh_key import SshKey
from exporter.model.state import UserState
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
    email: str | None = None
    department: str | None = None


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


def parse_tokens(content: bytes, now: float) -> View:
    """The users with tokens, with what the list says about them. A user without tokens is not in the list.

    Args:
        content: the answer.
        now: epoch seconds of the answer.

    Raises:
        InvalidAnswerError: it is not such a list.
    """
    try:
        records = msgspec.json.decode(content, type=list[_Token])
        users: dict[tuple[str, str], User] = {}
        tokens: dict[tuple[str, str], list[Token]] = {}
        for record in records:
            key = record.organization, record.user_id
            if key not in users:
                known = record.email is not None or record.department is not None
                owner = Owner(record.email, record.department) if known else None
                users[key] = User(record.user_id, record.user, owner=owner)
                tokens[key] = []
            tokens[key].append(_credential(record))
    except (msgspec.DecodeError, ValueError):
        raise InvalidAnswerError("is not the list of tokens of a yunxiao-token-exporter") from None
    states: dict[str, list[UserState]] = {}
    for key, user in users.items():
        keys = tuple(one for one in tokens[key] if isinstance(one, SshKey))
        others = tuple(one for one in tokens[key] if not isinstance(one, SshKey))
        state = UserState(user, others, last_success=now, polled=True, ssh_keys=keys or None)
        states.setdefault(key[0], []).append(state)
    return View(tuple(OrganizationView(name, tuple(found), None, now) for name, found in states.items()))


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
