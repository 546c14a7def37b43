"""From the body of an answer to the model: what is bad costs one token at most and is counted, never the rest."""

from __future__ import annotations

import functools
import json
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.model import NEVER, Token
from exporter.yunxiao.dates import parse_date

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

PARSE_FIELDS = ("token", "token_id", "name", "permissions", "created_at", "expired_at", "user")
"""The fields that can be unreadable, as the label `field` of `yunxiao_parse_errors_total` names them."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_CODE = re.compile(r"[^0-9A-Za-z._-]")


class _Entry(msgspec.Struct, gc=False):
    """One entry of the list, in both spellings. Typed as documented; the lenient way fills it with whatever came."""

    token_id: str | None = None
    tokenId: str | None = None  # noqa: N815 - the platform's spelling
    name: str | None = None
    permissions: list[str] | None = None
    created_at: str | int | float | None = None
    createdAt: str | int | float | None = None  # noqa: N815
    expired_at: str | int | float | None = None
    expiredAt: str | int | float | None = None  # noqa: N815


_NAMES = frozenset(_Entry.__struct_fields__)
_DECODER = msgspec.json.Decoder(list[_Entry])


class WireError(Exception):
    """A body is not what the API sends. The message is safe to show: it holds nothing of the body but an error code."""


@dataclass(slots=True)
class Parsed:
    """The tokens of one answer, and how often each field could not be read."""

    tokens: tuple[Token, ...] = ()
    errors: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """Note one unreadable field."""
        self.errors[name] = self.errors.get(name, 0) + 1


def clean_text(text: str) -> str:
    """Text that can be written as UTF-8: a lone surrogate becomes U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


def parse_tokens(body: bytes, zone: ZoneInfo) -> Parsed:
    """Read the answer of the token list call.

    It is an array of tokens, bare or as ``data`` of an envelope. An entry without an id is left out; an unreadable
    field costs that field only; each is counted. An entry that comes twice counts once.

    Args:
        body: the whole body.
        zone: where dates without a zone were written.

    Raises:
        WireError: no list of tokens.
    """
    parsed = Parsed()
    unique: dict[tuple[str, str, float | None], Token] = {}
    entries = _typed(body)
    for entry in entries_of(read_json(body), "tokens") if entries is None else entries:
        token = _token(entry, zone, parsed)
        if token is None:
            continue
        key = (token.token_id, token.name, token.created_at)
        twin = unique.get(key)
        # The same token listed twice with two expiries: believe the earlier.
        if twin is None or (token.expires_at is not None and (twin.expires_at or 0) > token.expires_at):
            unique[key] = token
    parsed.tokens = tuple(unique.values())
    return parsed


def _typed(body: bytes) -> list[_Entry] | None:
    """The entries of a body in which every field has its documented type; None sends it the slow and lenient way."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def error_code(body: bytes) -> str:
    """The platform's error code and request id in the body of a refusal, as ``Code (request id)``; "" without one."""
    try:
        data = read_json(body)
    except WireError:
        return ""
    if not isinstance(data, dict):
        return ""
    code = _short(data.get("errorCode") or data.get("code"))
    request = _short(data.get("requestId") or data.get("traceId"))
    return f"{code} (request {request})" if code and request else code


def read_json(body: bytes) -> Any:
    """What a body holds as JSON.

    Raises:
        WireError: it is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        pass
    # The standard library's reader takes lone surrogates and a byte order mark, which the fast one refuses.
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        raise WireError(_what_is_it(body)) from None


def _what_is_it(body: bytes) -> str:
    if not body.strip():
        return "an empty body instead of JSON"
    if body.lstrip()[:1] == b"<":
        return "an HTML or XML page instead of JSON"
    return "a body that is not JSON"


def entries_of(data: Any, what: str) -> list[Any]:
    """The entries of a list, bare or as ``data`` of an envelope.

    Args:
        data: what a body holds.
        what: what should be listed, for the error's words.

    Raises:
        WireError: no list.
    """
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        raise WireError(f"JSON that is no list of {what}")
    _check_success(data)
    if isinstance(entries := data.get("data"), list):
        return entries
    raise WireError(f"a JSON object without a list of {what}")


def object_of(data: Any, what: str) -> dict[str, Any]:
    """An object, bare or as ``data`` of an envelope.

    Args:
        data: what a body holds.
        what: what it should be, for the error's words.

    Raises:
        WireError: no object.
    """
    if not isinstance(data, dict):
        raise WireError(f"JSON that is no {what}")
    _check_success(data)
    inner = data.get("data", data)
    if not isinstance(inner, dict):
        raise WireError(f"JSON that is no {what}")
    return inner


def _check_success(data: dict[str, Any]) -> None:
    code = _short(data.get("errorCode"))
    if data.get("success") is False or (code and data.get("success") is not True):
        raise WireError(f"the error {code or 'without a code'} under a success status")


def _short(value: Any) -> str:
    return _CODE.sub("", value)[:80] if isinstance(value, str) else ""


def _token(entry: Any, zone: ZoneInfo, parsed: Parsed) -> Token | None:
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
    if fields.name is not None and not isinstance(fields.name, str):
        parsed.count("name")
    created = fields.createdAt if fields.created_at is None else fields.created_at
    expires = fields.expiredAt if fields.expired_at is None else fields.expired_at
    permissions, readable = _permissions(fields.permissions, parsed)
    return Token(
        token_id=token_id,
        # Many tokens are called alike: one text serves all of them.
        name=sys.intern(text_of(fields.name) or token_id),
        permissions=permissions,
        created_at=_date(created, zone, "created_at", parsed, never=None),
        expires_at=_date(expires, zone, "expired_at", parsed, never=NEVER),
        permissions_read=readable,
    )


def text_of(value: Any) -> str:
    """A field as text without white space around it; "" where it holds neither text nor a whole number."""
    if isinstance(value, str):
        return clean_text(value).strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _permissions(value: Any, parsed: Parsed) -> tuple[tuple[str, ...], bool]:
    """The permissions, and whether all of them could be read: no list at all does not say that there are none."""
    if value is None:
        return (), False
    if not isinstance(value, list):
        parsed.count("permissions")
        return (), False
    errors = parsed.errors.get("permissions", 0)
    names = set()
    for item in value:
        if isinstance(item, str) and (name := clean_text(item).strip()):
            names.add(name)
        else:
            parsed.count("permissions")
    return _shared(tuple(sorted(names))), parsed.errors.get("permissions", 0) == errors


@functools.lru_cache(maxsize=4096)
def _shared(permissions: tuple[str, ...]) -> tuple[str, ...]:
    """The same permissions as one tuple: there are few sets of them and very many tokens."""
    return tuple(sys.intern(name) for name in permissions)


def _date(value: Any, zone: ZoneInfo, name: str, parsed: Parsed, *, never: float | None) -> float | None:
    try:
        seconds = parse_date(value, zone)
    except (ValueError, OverflowError):
        parsed.count(name)
        return None
    return never if seconds == NEVER else seconds
