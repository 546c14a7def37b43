"""Finds the list in the body of an answer: bare, or in an envelope, which may report an error instead."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exporter.platform.yunxiao.error_body import CONTENTS, FIELDS, check_entries, check_success, field_of, fields_of
from exporter.platform.yunxiao.json_body import BYTE_ORDER_MARK, FAILED, WireError, read_json

MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""A complete string, or a structural character of JSON. A string without an end matches all the rest."""
_LISTED_ERROR = re.compile(rb'\[\s*\{\s*"(?:err|code|mes|msg|status|http|success|req|trace)', re.IGNORECASE)
"""A list whose first entry may be an error, by its first field: it is decoded once more, which other lists are not."""
_COLON = re.compile(rb"\s*:")
_LARGE = 64 * 1024
"""Bytes from which on a body is not decoded as a whole."""
_DECODED = 16 * 1024
"""Bytes of the largest field of a large envelope that is decoded."""


def _spellings(name: str) -> set[str]:
    """``error_code`` in all its spellings: error_code, errorcode, errorCode, ErrorCode."""
    first, *others = name.split("_")
    ending = "".join(word.capitalize() for word in others)
    return {name, name.replace("_", ""), first + ending, first.capitalize() + ending}


_SPELLED = sorted(set[str]().union(*map(_spellings, FIELDS)))
_RAW = msgspec.json.Decoder(
    msgspec.defstruct("Envelope", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in _SPELLED])
)


def list_in(data: Any, what: str) -> list[Any]:
    """The entries of a list, bare or in an envelope.

    Args:
        data: the decoded body.
        what: the entries, for the text of an error.

    Raises:
        RefusedError: the envelope reports an error.
        WireError: it is not a list.
    """
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        raise WireError(f"JSON, but not a list of {what}")
    fields = fields_of(data)
    check_success(fields)
    for name in CONTENTS:
        if isinstance(found := fields.get(name), list):
            return found
    raise WireError(f"a JSON object without a list of {what}")


def object_of(data: Any, what: str) -> dict[str, Any]:
    """An object, bare or in an envelope.

    Args:
        data: the decoded body.
        what: the kind of object, for the text of an error.

    Raises:
        RefusedError: the envelope reports an error.
        WireError: it is not an object.
    """
    inner = data
    if isinstance(data, dict):
        fields = fields_of(data)
        check_success(fields)
        inner = next((fields[name] for name in CONTENTS if name in fields), data)
    if not isinstance(inner, dict):
        raise WireError(f"JSON, but not a {what}")
    return inner


def list_in_large(body: bytes, what: str) -> tuple[bytes, int, int]:
    """A text, and where in it the entries of the list in a large envelope begin and end.

    Args:
        body: a JSON object.
        what: the entries, for the text of an error.

    Raises:
        RefusedError: the envelope reports an error.
        WireError: it has no list.
    """
    values = _decoded(body) or _scanned(body)
    check_success(_small(values))
    for name in CONTENTS:
        text = bytes(values.get(name, b""))
        start, stop = text.find(b"["), text.rfind(b"]")
        if 0 <= start < stop and not text[:start].strip() and not text[stop + 1 :].strip():
            return text, start + 1, stop
    raise WireError(f"a JSON object without a list of {what}")


def check_reported(body: bytes) -> None:
    """Check that a body with a success status does not report an error.

    Whatever else is wrong with it is found when it is parsed.

    Raises:
        RefusedError: it reports one.
    """
    start = body[:_DECODED].removeprefix(BYTE_ORDER_MARK).lstrip()
    if start[:1] != b"{":
        if len(body) <= _LARGE and _LISTED_ERROR.match(start):
            _check_listed(body)
        return
    try:
        if len(body) > _LARGE:
            fields = _small(_decoded(body) or {})
        else:
            data = read_json(body)
            fields = fields_of(data) if isinstance(data, dict) else {}
    except WireError:
        return
    check_success(fields)


def _check_listed(body: bytes) -> None:
    try:
        entries = read_json(body)
    except WireError:
        return
    check_entries(entries)


def _decoded(body: bytes) -> dict[str, memoryview] | None:
    """The known fields of an object, undecoded; None if the fast decoder refuses it, such as for a lone surrogate."""
    try:
        envelope = _RAW.decode(body.removeprefix(BYTE_ORDER_MARK))
    except FAILED:
        return None
    found: dict[str, memoryview] = {}
    for spelled in _SPELLED:
        raw, name = getattr(envelope, spelled), field_of(spelled)
        if name is not None and raw is not msgspec.UNSET and bytes((value := memoryview(raw))[:4]) != b"null":
            found.setdefault(name, value)
    return found


def _scanned(body: bytes) -> dict[str, memoryview]:
    """The same without a decoder."""
    found: dict[str, memoryview] = {}
    depth = start = 0
    key = b""
    for match in MARKS.finditer(body):
        mark = body[match.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        elif mark == ord('"') and depth == 1 and not key and (colon := _COLON.match(body, match.end())):
            key, start = match[0], colon.end()
        if key and (depth == 0 or (depth == 1 and mark == ord(","))):
            if (name := field_of(key[1:-1].decode(errors="replace"))) is not None:
                found[name] = memoryview(body)[start : match.start()]
            key = b""
    return found


def _small(values: dict[str, memoryview]) -> dict[str, Any]:
    """The fields, decoded; True stands for a large one."""
    return fields_of(
        {name: read_json(bytes(value)) if len(value) <= _DECODED else True for name, value in values.items()}
    )
