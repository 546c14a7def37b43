"""The values of a listed token by the names of columns, for tables and spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.common.text import expiry_words
from exporter.model.ssh_key import SshKey
from exporter.model.token import NEVER
from exporter.report.listing import OWNER_COLUMNS, POLICIES, owner_values
from exporter.report.spreadsheet import Time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.report.listing import Row
    from exporter.report.spreadsheet import Cell

EXPIRES: Final = "expires"
"""A column of the table alone: when a token expires, in words."""


def _remaining(row: Row, now: float) -> Cell:
    expires_at = row.token.expires_at
    return None if expires_at is None or expires_at == NEVER else round(expires_at - now)


def _last_used(row: Row, _: float) -> Cell:
    return Time(row.token.last_used_at) if isinstance(row.token, SshKey) else None


def _owner(name: str) -> Callable[[Row, float], Cell]:
    return lambda row, _: owner_values(row.user)[name]


VALUES: Mapping[str, Callable[[Row, float], Cell]] = {
    EXPIRES: lambda row, now: expiry_words(row.token.expires_at, now),
    "organization": lambda row, _: row.organization,
    "user_id": lambda row, _: row.user.user_id,
    "user": lambda row, _: row.user.name,
    "token_id": lambda row, _: row.token.token_id,
    "token": lambda row, _: row.token.name,
    "state": lambda row, _: row.state.value,
    "expires_at": lambda row, _: Time(row.token.expires_at),
    "expires_in_seconds": _remaining,
    "created_at": lambda row, _: Time(row.token.created_at),
    "permissions": lambda row, _: row.token.permissions,
    POLICIES: lambda row, _: [policy.name for policy in row.policies or ()],
    "description": lambda row, _: row.token.description,
    "kind": lambda row, _: row.token.kind.value,
    "last_used_at": _last_used,
    "listed_expires_at": lambda row, _: Time(row.token.listed_expiry),
    **{name: _owner(name) for name in OWNER_COLUMNS},
}
"""The value of each column that can be chosen, from the row and the time in epoch seconds."""
