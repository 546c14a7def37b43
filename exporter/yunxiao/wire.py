"""From the body of an answer to the model: what is bad costs one token at most and is counted, never the rest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.model import Token
from exporter.yunxiao.dates import parse_date

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

PARSE_FIELDS = ("token", "token_id", "name", "permissions", "created_at", "expired_at")
"""The fields that can be unreadable, as the label `field` of `yunxiao_parse_errors_total` names them."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_CODE = re.compile(r"[^0-9A-Za-z._-]")
_MISSING: Any = object()


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
    for entry in _entries(_json(body)):
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


def error_code(body: bytes) -> str:
    """The platform's error code and request id in the body of a refusal, as ``Code (request id)``; "" without one."""
    try:
        data = _json(body)
    except WireError:
        return ""
    if not isinstance(data, dict):
        return ""
    code = _short(data.get("errorCode") or data.get("code"))
    request = _short(data.get("requestId") or data.get("traceId"))
    return f"{code} (request {request})" if code and request else code


def _json(body: bytes) -> Any:
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


def _entries(data: Any) -> list[Any]:
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        raise WireError("JSON that is no list of tokens")
    code = _short(data.get("errorCode"))
    if data.get("success") is False or (code and data.get("success") is not True):
        raise WireError(f"the error {code or 'without a code'} under a success status")
    if isinstance(entries := data.get("data"), list):
        return entries
    raise WireError("a JSON object without a list of tokens")


def _short(value: Any) -> str:
    return _CODE.sub("", value)[:80] if isinstance(value, str) else ""


def _token(entry: Any, zone: ZoneInfo, parsed: Parsed) -> Token | None:
    if not isinstance(entry, dict):
        parsed.count("token")
        return None
    token_id = _text(_either(entry, "token_id", "tokenId"))
    if not token_id:
        parsed.count("token_id")
        return None
    name = _either(entry, "name", "name")
    if name is not _MISSING and name is not None and not isinstance(name, str):
        parsed.count("name")
    return Token(
        token_id=token_id,
        name=_text(name) or token_id,
        permissions=_permissions(_either(entry, "permissions", "permissions"), parsed),
        created_at=_date(_either(entry, "created_at", "createdAt"), zone, "created_at", parsed, never=None),
        expires_at=_date(_either(entry, "expired_at", "expiredAt"), zone, "expired_at", parsed, never=float("inf")),
    )


def _either(entry: dict[str, Any], snake: str, camel: str) -> Any:
    """The value under either spelling; one that is there and says nothing gives way to one that does."""
    value = entry.get(snake, _MISSING)
    if value is _MISSING or value is None:
        return entry.get(camel, value)
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return clean_text(value).strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _permissions(value: Any, parsed: Parsed) -> tuple[str, ...]:
    if value is _MISSING or value is None:
        return ()
    if not isinstance(value, list):
        parsed.count("permissions")
        return ()
    names = set()
    for item in value:
        if isinstance(item, str) and (name := clean_text(item).strip()):
            names.add(name)
        else:
            parsed.count("permissions")
    return tuple(sorted(names))


def _date(value: Any, zone: ZoneInfo, name: str, parsed: Parsed, *, never: float | None) -> float | None:
    try:
        seconds = parse_date(None if value is _MISSING else value, zone)
    except (ValueError, OverflowError):
        parsed.count(name)
        return None
    return never if seconds == float("inf") else seconds
