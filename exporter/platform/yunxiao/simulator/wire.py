"""Tokens and SSH keys as entries of an answer, in all the forms that have been seen."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from exporter.platform.yunxiao.simulator.records import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.platform.yunxiao.simulator.quirks import Quirks
    from exporter.platform.yunxiao.simulator.records import KeyRecord, TokenRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHINA = timezone(timedelta(hours=8))
"""The time zone of the platform, in which it writes dates without one."""
_DECADES = 60 * 365 * DAY
_NEVER: dict[str, Any] = {
    "null": None,
    "empty": "",
    "zero_date": "0000-00-00 00:00:00",
    "zero": 0,
    "year_1": "0001-01-01T00:00:00Z",
    "epoch": "1970-01-01 08:00:00",
    "word": "permanent",
}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMUSTNOTBEREADMUSTNOTBEREADMUSTNOTBEREAD"
"""The public key of every SSH key: no client needs it, so it must not appear anywhere."""


def iso(epoch: float) -> str:
    """A date as the platform's documentation writes it: ``2023-03-22T12:44:50.048Z``."""
    moment = _moment(epoch)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def date(epoch: float, form: str) -> str | int:
    """A date in one of the forms of the quirk `dates`."""
    moment = _moment(epoch)
    milliseconds = round(epoch * 1000)
    match form:
        case "microseconds":
            return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
        case "nanoseconds":
            return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z"
        case "compact":
            return f"{moment.astimezone(_CHINA):%Y%m%d%H%M%S}"
        case "no_zone":
            return f"{moment.astimezone(_CHINA):%Y-%m-%d %H:%M:%S}"
        case "offset":
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+00:00"
        case "epoch_milliseconds":
            return milliseconds
        case "epoch_microseconds":
            return milliseconds * 1000
        case "epoch_text":
            return str(milliseconds)
        case _:
            return iso(epoch)


def token_entries(user_id: str, records: Iterable[TokenRecord], quirks: Quirks) -> list[dict[str, Any]]:
    """The entries of a user's token list."""
    every = quirks.unreadable_ids
    return [
        _token(user_id, record, quirks, readable=every is None or number % every != 0)
        for number, record in enumerate(records, 1)
    ]


def key_entry(record: KeyRecord, quirks: Quirks) -> dict[str, Any]:
    """An entry of a user's list of SSH keys."""
    return {
        "createdAt": date(record.created_at, quirks.dates),
        "fingerPrint": record.fingerprint,
        "id": record.key_id,
        "key": PUBLIC_KEY,
        "keyScope": record.scope,
        "lastUsedTime": None if record.last_used_at is None else date(record.last_used_at, quirks.dates),
        "title": record.title,
        "updatedAt": date(record.created_at, quirks.dates),
    } | dict(_expiry("expireTime", record.created_at, record.expires_at, quirks))


def masked(user_id: str) -> str:
    """A user id as in the platform's sample response: ``3001****-****-4229-a7f2-********41ad``."""
    parts = user_id.split("-")
    if [len(part) for part in parts] == [8, 4, 4, 4, 12]:
        first, _, third, fourth, last = parts
        return f"{first[:4]}****-****-{third}-{fourth}-********{last[-4:]}"
    return f"{user_id[:4]}****{user_id[-4:]}"


def _token(user_id: str, record: TokenRecord, quirks: Quirks, *, readable: bool) -> dict[str, Any]:
    token_id = record.token_id
    if quirks.masked_ids:
        token_id = f"{token_id[:7]}****{token_id[-4:]}"
    entry = {
        "created_at": date(record.created_at, quirks.dates),
        "description": record.description,
        "name": record.name,
        "permissions": list(_permissions(record.permissions, both_levels=quirks.both_levels)),
        # An unreadable entry has its id under a name that no version is known to use.
        "token_id" if readable else "accessTokenId": token_id,
    } | dict(_expiry("expired_at", record.created_at, record.expires_at, quirks))
    match quirks.user_ids:
        case "masked":
            entry["user_id"] = masked(user_id)
        case "foreign":
            entry["user_id"] = uuid.uuid5(uuid.NAMESPACE_URL, user_id).hex[:24]
        case "plain":
            entry["user_id"] = user_id
    return entry


def _expiry(field: str, created_at: float, expires_at: float | None, quirks: Quirks) -> Iterator[tuple[str, Any]]:
    if expires_at is not None:
        yield field, date(expires_at, quirks.dates)
    elif quirks.never == "decades":
        yield field, date(created_at + _DECADES, quirks.dates)
    elif quirks.never != "absent":
        yield field, _NEVER[quirks.never]


def _permissions(granted: tuple[str, ...], *, both_levels: bool) -> Iterator[str]:
    yield from granted
    if both_levels:
        read = dict.fromkeys(re.sub("_write$", "", name) for name in granted if name.endswith("_read_write"))
        yield from (name for name in read if name not in granted)


def _moment(epoch: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=round(epoch * 1000))
