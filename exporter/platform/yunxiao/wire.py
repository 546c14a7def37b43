"""Reads tokens from the body of an answer. Invalid data costs at most one token, never the rest; it is counted."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.model.token import NEVER, Token, precedence
from exporter.platform.yunxiao.dates import parse_date
from exporter.platform.yunxiao.fields import (
    DESCRIPTION,
    DISTINCT_PERMISSIONS,
    PERMISSION,
    PERMISSIONS,
    TOKEN_ID,
    TOKEN_NAME,
    Fields,
    clean_text,
    text_of,
    unchanged,
)
from exporter.platform.yunxiao.json_body import WireError
from exporter.platform.yunxiao.pieces import EntryReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

_SHARED_NAMES = 64
_SHARED_LENGTH = 2048
"""Limits, in names and in characters, for a set of permissions that is cached. 4,096 such sets take at most 50 MB, and
about 2 MB in practice."""


class _Entry(msgspec.Struct, gc=False):
    """One entry of the list, in both spellings, with the documented types. Lenient decoding does not check these."""

    token_id: str | None = None
    tokenId: str | None = None  # noqa: N815 - the platform's spelling
    name: str | None = None
    description: str | None = None
    permissions: list[str] | None = None
    created_at: str | int | float | None = None
    createdAt: str | int | float | None = None  # noqa: N815
    expired_at: str | int | float | None = None
    expiredAt: str | int | float | None = None  # noqa: N815
    user_id: str | int | None = None
    userId: str | int | None = None  # noqa: N815


_NAMES = frozenset(_Entry.__struct_fields__)
_TOKENS = EntryReader("tokens", msgspec.json.Decoder(list[_Entry]), _Entry.__struct_fields__)


@dataclass(slots=True)
class Parsed:
    """The tokens of one answer, and how often each field was unreadable or cut.

    Attributes:
        tokens: the tokens, each once.
        errors: unreadable values by field.
        truncated: values that were cut by field.
        unreadable: entries that could not be read as tokens.
        owners: the distinct ids of users that the entries name as owners; "" if an entry names none.
    """

    tokens: tuple[Token, ...] = ()
    errors: dict[str, int] = field(default_factory=dict)
    truncated: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    owners: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Check that some of the entries are tokens, if there are any.

        Raises:
            WireError: none is. Perhaps the platform has renamed a field: it does not follow that there are no tokens.
        """
        if self.unreadable and not self.tokens:
            raise WireError(f"a list in which no entry is a token with an id ({self.unreadable} listed)")

    def count(self, name: str) -> None:
        """Count one unreadable field."""
        self.errors[name] = self.errors.get(name, 0) + 1


def _nothing() -> None:
    """Do nothing between two pieces."""


def parse_tokens(
    body: bytes,
    zone: ZoneInfo,
    *,
    redact: Callable[[str], str] = unchanged,
    between: Callable[[], None] = _nothing,
) -> Parsed:
    """Read the answer of the token list call.

    It is an array of tokens, plain or as ``data`` of an envelope. An entry without an id is skipped; an unreadable
    field costs that field only; both are counted. An entry that is listed twice counts once. `Parsed.check` says
    whether the rest can be a list of tokens.

    Args:
        body: the complete body.
        zone: where dates without a zone were written.
        redact: replaces known secrets in a text.
        between: called between two pieces of a large answer; an exception from it ends the reading.

    Raises:
        WireError: it is not a list of tokens, or has more than are accepted.
    """
    parsed = Parsed()
    reader = _TokenReader(zone, redact, parsed)
    for batch in _TOKENS.batches(body):
        between()
        reader.read(batch)
    parsed.tokens = reader.tokens()
    parsed.truncated = reader.fields.truncated
    return parsed


_NO_ENTRY = object()
"""Differs from whatever an entry names as its owner."""


class _TokenReader:
    """Turns the entries of one answer into tokens."""

    def __init__(self, zone: ZoneInfo, redact: Callable[[str], str], parsed: Parsed) -> None:
        self._zone = zone
        self._parsed = parsed
        self.fields = Fields(redact)
        self._unique: dict[tuple[str, str, float | None], Token] = {}
        self._permissions = 0
        # The owner that the last entry named, as listed: nearly always the same.
        self._owner: object = _NO_ENTRY

    def read(self, batch: list[Any]) -> None:
        """Read one batch of entries."""
        unique = self._unique
        for entry in batch:
            token = self._token(entry)
            if token is None:
                self._parsed.unreadable += 1
                continue
            key = (token.token_id, token.name, token.created_at)
            twin = unique.get(key)
            # The same token is listed twice: the earlier expiry counts.
            if twin is None or precedence(token) < precedence(twin):
                unique[key] = token

    def tokens(self) -> tuple[Token, ...]:
        """The tokens, each once."""
        tokens = tuple(self._unique.values())
        if self._permissions > DISTINCT_PERMISSIONS:
            tokens = self._with_fewer_permissions(tokens)
        return self._redacted(tokens)

    def _token(self, entry: Any) -> Token | None:
        parsed = self._parsed
        if isinstance(entry, _Entry):
            fields = entry
        elif isinstance(entry, dict):
            fields = _Entry(**{name: value for name, value in entry.items() if name in _NAMES})
        else:
            parsed.count("token")
            return None
        token_id = text_of(fields.token_id) or text_of(fields.tokenId)
        if not token_id:
            parsed.count("token_id")
            return None
        if len(token_id) > TOKEN_ID.length:
            token_id = self.fields.cut(token_id, TOKEN_ID)
        if (owner := fields.user_id or fields.userId) != self._owner:
            self._owner = owner
            parsed.owners.add(text_of(owner))
        if fields.name is not None and not isinstance(fields.name, str):
            parsed.count("name")
        name = text_of(fields.name) or token_id
        if len(name) > TOKEN_NAME.length:
            name = self.fields.cut(name, TOKEN_NAME)
        created = fields.createdAt if fields.created_at is None else fields.created_at
        expires = fields.expiredAt if fields.expired_at is None else fields.expired_at
        permissions, readable = self._permissions_of(fields.permissions)
        return Token(
            token_id=token_id,
            # Many tokens have the same name: they share one text.
            name=sys.intern(name),
            permissions=permissions,
            created_at=self._date(created, "created_at", never=None),
            expires_at=self._date(expires, "expired_at", never=NEVER),
            permissions_read=readable,
            description=self._description(fields.description),
        )

    def _description(self, value: Any) -> str:
        if value is None or value == "":
            return ""
        if not isinstance(value, str):
            self._parsed.count("description")
        text = text_of(value)
        if len(text) > DESCRIPTION.length:
            text = self.fields.cut(text, DESCRIPTION)
        # Tokens that were made by one script have the same description.
        return sys.intern(text)

    def _permissions_of(self, value: Any) -> tuple[tuple[str, ...], bool]:
        """The permissions, and whether all could be read. A missing list does not mean that there are none."""
        if value is None:
            return (), False
        if not isinstance(value, list):
            self._parsed.count("permissions")
            return (), False
        errors = self._parsed.errors.get("permissions", 0)
        names = set()
        for item in value:
            if isinstance(item, str) and (name := clean_text(item).strip()):
                names.add(name if len(name) <= PERMISSION.length else self.fields.cut(name, PERMISSION))
            else:
                self._parsed.count("permissions")
        kept = sorted(names)
        if len(kept) > PERMISSIONS:
            self.fields.count("permissions", len(kept) - PERMISSIONS)
            del kept[PERMISSIONS:]
        self._permissions += len(kept)
        return _as_shared(tuple(kept)), self._parsed.errors.get("permissions", 0) == errors

    def _date(self, value: Any, name: str, *, never: float | None) -> float | None:
        try:
            seconds = parse_date(value, self._zone)
        except (ValueError, OverflowError):
            self._parsed.count(name)
            return None
        return never if seconds == NEVER else seconds

    def _with_fewer_permissions(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """The tokens with a limited number of distinct permissions, since each becomes a series."""
        names = sorted({name for token in tokens for name in token.permissions})
        if len(names) <= DISTINCT_PERMISSIONS:
            return tokens
        self.fields.count("permissions", len(names) - DISTINCT_PERMISSIONS)
        kept = frozenset(names[:DISTINCT_PERMISSIONS])
        return tuple(
            replace(token, permissions=tuple([name for name in token.permissions if name in kept])) for token in tokens
        )

    def _redacted(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """The tokens without known secrets. All texts are searched at once, since there is hardly ever a secret."""
        redact = self.fields.redact
        if redact is unchanged:
            return tokens
        # Most tokens share their permissions with others.
        shared = {id(token.permissions): token.permissions for token in tokens}
        text = "\n".join(
            (
                *[token.token_id for token in tokens],
                *[token.name for token in tokens],
                *[token.description for token in tokens],
                *["\n".join(names) for names in shared.values()],
            )
        )
        if redact(text) == text:
            return tokens
        return tuple(
            replace(
                token,
                token_id=redact(token.token_id),
                name=redact(token.name),
                description=redact(token.description),
                permissions=tuple(sorted({redact(name) for name in token.permissions})),
            )
            for token in tokens
        )


def _as_shared(permissions: tuple[str, ...]) -> tuple[str, ...]:
    """The same permissions as a shared tuple: there are very many tokens and few different sets."""
    if len(permissions) <= _SHARED_NAMES and sum(map(len, permissions)) <= _SHARED_LENGTH:
        return _shared(permissions)
    return tuple([sys.intern(name) for name in permissions])


@functools.lru_cache(maxsize=4096)
def _shared(permissions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([sys.intern(name) for name in permissions])
