"""A user's state as a row of the state file, and back.

Rows are short, since SQLite stores a row of more than 1,000 bytes in several pages: fields have no names, a permission
is written once for all tokens of a user, trailing defaults are left out, and the result is compressed with a dictionary
of the permissions that the platform documents. A checksum also covers the keys of the row, so that a damaged row is
neither another state nor the state of another user.

Rows of schema version 5 and older are compressed without a dictionary. Those of version 3 and older are maps with the
names of all fields. They are read too.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from exporter.model.ssh_key import SshKey
from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER, Token, TokenState
from exporter.model.user import Owner, OwnThresholds, User

try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this platform
    import zlib as fast_zlib  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

C = TypeVar("C", bound=Token)
_MARK = b"\xc1"
"""The first byte of a row. No msgpack begins with it, so rows of older exporters differ."""
_PLAIN, _DEFLATED, _WITH_DICTIONARY = b"\0", b"\1", b"\2"
_HEAD = 5
"""Bytes of the mark and the checksum. The form of the content follows, then the content."""
_WORTHWHILE = 40
"""Bytes from which on compression makes a row shorter."""
DICTIONARY = (
    b"base_user_read_write\xbalingma_developerUsage_read\xb8lingma_kbFile_read_write\xb2lingma_kbFile_read"
    b"\xbflingma_knowledgeBase_read_write\xb9lingma_knowledgeBase_read\xb6lingma_chat_read_write\xb0lingma_chat_read"
    b"\xb9base_orgmember_read_write\xb3base_orgmember_read\xb6base_organization_read\xaebase_user_read"
)
"""Names of permissions in msgpack. It is part of the format and never changes: a new dictionary needs a new form."""
LONGEST = 64 * 1024 * 1024
"""Bytes of a row that is not compressed. The platform's answers, of 8 MiB at most, contain more than a row does."""
_FASTEST = 1
_WINDOW = -12
"""A raw stream with a window of 4 KiB."""
_EXACT = 2.0**53
"""Below this, an integer and a number with a fraction can stand for each other."""
_NOT_READABLE: tuple[type[Exception], ...] = (
    *(
        msgspec.MsgspecError,
        cast("type[Exception]", fast_zlib.error),
        TypeError,
        ValueError,
        LookupError,
        OverflowError,
        RecursionError,
    ),
)
"""What a flipped bit can cause: damage of the structure, of a type, or of the encoding of text."""


class _TokenRow(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A token or SSH key. Only ever append fields, with a default: their order is the format.

    Attributes:
        permissions: positions in the list of names.
    """

    token_id: str
    name: str
    permissions: list[int]
    created_at: float | None
    expires_at: float | None = NEVER
    description: str = ""
    permissions_read: bool = True
    listed_expiry: float | None = None
    last_used_at: float | None = None


class _Row(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A user's state without the id of the user, which is a key. Only ever append fields, with a default.

    Attributes:
        names: the permissions of all tokens and keys.
        name: the user's name; None if it is the id.
    """

    names: list[str]
    tokens: list[_TokenRow]
    name: str | None
    last_success: float | None
    polled: bool = True
    labels: tuple[tuple[str, str], ...] = ()
    thresholds: tuple[float | None, float | None] | None = None
    owner: tuple[str | None, str | None, str | None] | None = None
    failure: tuple[Reason, str] | None = None
    failing_since: float | None = None
    failures: int = 0
    left_out: tuple[tuple[TokenState, int], ...] = ()
    unreadable: int = 0
    unlisted: tuple[tuple[str, str], ...] = ()
    ssh_keys: list[_TokenRow] | None = None
    info_threshold: float | None = None


_encode = msgspec.msgpack.Encoder().encode
_ROW = msgspec.msgpack.Decoder(_Row)
_OLD = msgspec.msgpack.Decoder(UserState)
_DEFAULTS = _Row.__struct_defaults__


def encoded(organization: str, state: UserState) -> bytes:
    """The row of a user.

    Raises:
        TypeError: the state cannot be encoded.
        ValueError: the same.
        OverflowError: the same.
    """
    user = state.user
    names: dict[str, int] = {}
    tokens = [_of_token(token, names) for token in state.tokens]
    keys = None if state.ssh_keys is None else [_of_token(key, names) for key in state.ssh_keys]
    values = [
        [*names],
        tokens,
        None if user.name == user.user_id else user.name,
        _number(state.last_success),
        state.polled,
        user.labels,
        user.thresholds and (user.thresholds.warning, user.thresholds.critical),
        user.owner and (user.owner.email, user.owner.department, user.owner.username),
        state.failure and (state.failure.reason, state.failure.message),
        _number(state.failing_since),
        state.failures,
        state.left_out,
        state.unreadable,
        state.unlisted,
        keys,
        user.thresholds and user.thresholds.info,
    ]
    content, form = _encode(_short(values, _DEFAULTS)), _PLAIN
    if len(content) >= _WORTHWHILE:
        compressor = fast_zlib.compressobj(_FASTEST, fast_zlib.DEFLATED, _WINDOW, zdict=DICTIONARY)
        content, form = compressor.compress(content) + compressor.flush(), _WITH_DICTIONARY
    content = form + content
    return _MARK + _checksum(organization, user.user_id, content) + content


def _of_token(token: Token, names: dict[str, int]) -> Sequence[Any]:
    permissions = [names.setdefault(name, len(names)) for name in token.permissions]
    created_at, expires_at = _number(token.created_at), _number(token.expires_at)
    last_used_at = token.last_used_at if isinstance(token, SshKey) else None
    if token.permissions_read and token.listed_expiry is None and last_used_at is None:
        if token.description:
            return token.token_id, token.name, permissions, created_at, expires_at, token.description
        return token.token_id, token.name, permissions, created_at, expires_at
    return (
        *(token.token_id, token.name, permissions, created_at, expires_at, token.description),
        *(token.permissions_read, _number(token.listed_expiry), _number(last_used_at)),
    )


def _number(number: float | None) -> float | None:
    """The same number; as an integer, which is shorter, if it is whole."""
    if isinstance(number, float) and number.is_integer() and -_EXACT < number < _EXACT:
        return int(number)
    return number


def _short(values: list[Any], defaults: tuple[Any, ...]) -> list[Any]:
    """The values without trailing defaults."""
    first = len(values) - len(defaults)
    while len(values) > first and values[-1] == defaults[len(values) - 1 - first]:
        values.pop()
    return values


def _checksum(organization: str, user_id: str, content: bytes) -> bytes:
    keys = f"{organization}\0{user_id}\0".encode()
    return zlib.crc32(content, zlib.crc32(keys)).to_bytes(4, "big")


def _expanded(stream: Any, content: bytes) -> bytes:
    """What a compressed row contains.

    Raises:
        ValueError: it is cut off, or longer than any row: a few bytes may stand for gigabytes.
    """
    expanded: bytes = stream.decompress(content, LONGEST)
    if not stream.eof:
        raise ValueError("the row is cut off or too long")
    return expanded


class UserRows:
    """Reads rows. Texts that many tokens have in common are kept once, as after a poll."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, organization: str, user_id: str, row: object) -> UserState | None:
        """The state in a row; None if the row is damaged.

        Args:
            organization: the first key of the row.
            user_id: the second key.
            row: the content of the column.
        """
        try:
            if not isinstance(row, bytes):
                return None
            if row[:1] == _MARK:
                return self._read(organization, user_id, row)
            state = _OLD.decode(row)
        except _NOT_READABLE:
            return None
        if state.user.user_id != user_id:
            return None
        keys = None if state.ssh_keys is None else self._interned(state.ssh_keys)
        return replace(state, tokens=self._interned(state.tokens), ssh_keys=keys)

    def _read(self, organization: str, user_id: str, row: bytes) -> UserState | None:
        if row[1:_HEAD] != _checksum(organization, user_id, row[_HEAD:]):
            return None
        form, content = row[_HEAD : _HEAD + 1], row[_HEAD + 1 :]
        if form == _WITH_DICTIONARY:
            content = _expanded(fast_zlib.decompressobj(_WINDOW, zdict=DICTIONARY), content)
        elif form == _DEFLATED:
            content = _expanded(fast_zlib.decompressobj(_WINDOW), content)
        value = _ROW.decode(content)
        names = value.names
        keys = value.ssh_keys
        return UserState(
            user=_user(user_id, value),
            tokens=tuple([self._token(token, names) for token in value.tokens]),
            last_success=value.last_success,
            polled=value.polled,
            failure=value.failure and Failure(*value.failure),
            failing_since=value.failing_since,
            failures=value.failures,
            left_out=value.left_out,
            unreadable=value.unreadable,
            unlisted=value.unlisted,
            ssh_keys=None if keys is None else tuple([self._key(key, names) for key in keys]),
        )

    def _token(self, row: _TokenRow, names: list[str]) -> Token:
        return Token(
            row.token_id,
            sys.intern(row.name),
            self._permissions([names[position] for position in row.permissions]),
            row.created_at,
            row.expires_at,
            row.permissions_read,
            row.listed_expiry,
            sys.intern(row.description),
        )

    def _key(self, row: _TokenRow, names: list[str]) -> SshKey:
        key = self._token(row, names)
        return SshKey(
            key.token_id,
            key.name,
            key.permissions,
            key.created_at,
            key.expires_at,
            key.permissions_read,
            key.listed_expiry,
            key.description,
            row.last_used_at,
        )

    def _permissions(self, names: Iterable[str]) -> tuple[str, ...]:
        permissions = tuple(names)
        shared = self._shared.get(permissions)
        if shared is None:
            shared = tuple([sys.intern(name) for name in permissions])
            self._shared[shared] = shared
        return shared

    def _interned(self, tokens: Iterable[C]) -> tuple[C, ...]:
        return tuple(
            [
                replace(
                    token,
                    name=sys.intern(token.name),
                    permissions=self._permissions(token.permissions),
                    description=sys.intern(token.description),
                )
                for token in tokens
            ]
        )


def _user(user_id: str, row: _Row) -> User:
    thresholds, owner = row.thresholds, row.owner
    return User(
        user_id,
        user_id if row.name is None else row.name,
        row.labels,
        None if thresholds is None else OwnThresholds(*thresholds, row.info_threshold),
        None if owner is None else Owner(*owner),
    )
